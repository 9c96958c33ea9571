import Fabric

extension Cluster {
    /// Says in a sentence each which messages of the nodes and of the fabric were lost; empty when none was.
    public func losses() async -> [String] {
        var losses: [String] = []
        for node in nodes {
            let dropped = await node.droppedEvents
            if dropped > 0 { losses.append("\(dropped) events of \(node.name) were overwritten unread") }
        }
        do {
            let counters = try await fabric.counters()
            losses += counters.failures
            if counters.lostRejects > 0 { losses.append("\(counters.lostRejects) REJECT records were lost") }
            for capture in counters.captures {
                if capture.dropped > 0 {
                    losses.append("\(capture.dropped) packets on \(capture.tap) were not captured")
                }
                if capture.unwritten > 0 {
                    losses.append("\(capture.unwritten) packets of \(capture.tap) were not written to its capture file")
                }
                if let failure = capture.failure { losses.append("capture of \(capture.tap): \(failure)") }
            }
        } catch {
            losses.append("the fabric's counters could not be read: \(error)")
        }
        return losses
    }
}
