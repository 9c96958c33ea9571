import Diagnosis
import Observations
import Testing

@testable import Runner

/// What a node does not trace must not be read as what it did not see.
@Suite struct TraceGapTests {
    private func node(_ tracing: NodeReading.Tracing?) -> NodeReading {
        var node = NodeReading(
            name: "node1", address: "10.0.0.11", podCIDR: "192.168.1.0/24", tunnelPort: 8472, power: .running,
            answers: true, carrier: true, agentRunning: true, impairments: [])
        node.tracing = tracing
        return node
    }

    @Test func `traces that are switched off are a gap`() {
        let off = NodeReading.Tracing(points: [], silent: ["from-endpoint", "to-overlay"])
        #expect(EvidenceCollector.traceGap(read: nil, of: node(off)) == "traces are switched off on node1")
        let both = EvidenceCollector.traceGap(read: "more than 20000 events", of: node(off))
        #expect(both == "traces are switched off on node1; more than 20000 events")
    }

    @Test func `so is a point that does not report`() {
        let part = NodeReading.Tracing(points: ["from-endpoint"], silent: ["to-overlay", "to-stack"])
        #expect(EvidenceCollector.traceGap(read: nil, of: node(part)) == "node1 does not trace to-overlay, to-stack")
    }

    @Test func `a node that traces everything has the gaps of its reading only`() {
        let whole = NodeReading.Tracing(points: ["from-endpoint"], silent: [])
        #expect(EvidenceCollector.traceGap(read: nil, of: node(whole)) == nil)
        #expect(EvidenceCollector.traceGap(read: "lost", of: node(whole)) == "lost")
    }

    @Test func `what a node did not say is a gap, too`() {
        #expect(EvidenceCollector.traceGap(read: "no answer", of: node(nil)) == "no answer")
        #expect(EvidenceCollector.traceGap(read: nil, of: node(nil)) == "node1 did not say what it traces")
    }
}

@Suite struct StepCountsTests {
    private func count(_ served: UInt64) -> FlowCacheCount { FlowCacheCount(served: served, forwarded: served * 2) }

    @Test func `counts are those since the step began`() {
        let start = StepCounts(
            starts: ["node1": 2, "node2": 1], boots: ["node1": 1, "node3": 1, "node4": 1, "node5": 1],
            flowCaches: ["node1": count(100), "node3": count(7), "node4": count(900)])
        let now = StepCounts(
            starts: ["node1": 3, "node2": 1], boots: ["node1": 1, "node2": 0, "node3": 1, "node4": 2, "node5": 1],
            flowCaches: [
                "node1": count(150), "node3": count(7), "node4": count(950), "node5": count(20),
            ])
        #expect(now.restarts(since: start) == ["node1": 1, "node2": 0])
        // The fourth has booted in between, so that all that it counts is of this step. The fifth could not be asked at
        // the beginning.
        #expect(now.flowCaches(since: start) == ["node1": count(50), "node3": count(0), "node4": count(950)])
    }

    @Test func `streams are served if each can have had some packets of its own`() {
        #expect(!ServedStreams(streams: 4, packets: 15).areServed)
        #expect(ServedStreams(streams: 4, packets: 16).areServed)
    }
}
