import DatapathModel
import NetAddress

extension AgentCore {
    /// Removes expired entries from the conntrack tables when it is time, and makes features remove what no flow uses
    /// any more. What cannot be done now is done the next time, since programs ignore expired entries.
    mutating func collectConnections() {
        do {
            var inUse = FlowsInUse()
            let collected = try conntrack.collectIfDue { key, entry in
                if key.direction == .service { inUse.backends.insert(entry.backend) }
                if key.direction == .egress, let destination = key.destination {
                    inUse.destinations.insert(destination)
                }
            }
            guard collected else { return }
            for feature in features.all { try feature.collect(inUse, &self) }
        } catch {
            Log.warning("cannot collect expired connections", ["error": "\(error)"])
        }
    }
}
