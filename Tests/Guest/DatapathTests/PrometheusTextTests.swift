import AgentAPI
import Testing

@testable import Datapath

@Suite struct PrometheusTextTests {
    private var status: AgentStatus {
        var status = base
        status.maps = [MapGauge(name: "dp_nat", entries: 12, capacity: 65_536)]
        return status
    }
    private let base = AgentStatus(
        nodeName: "node1", version: "1", ready: true, problems: [], kernel: "6.1",
        node: NodeEntry(
            name: "node1", address: "10.0.0.11", podCIDR: "192.168.1.0/24", routerAddress: "192.168.1.1",
            healthAddress: "192.168.1.2"), knownNodes: ["node1", "node2"], endpointCount: 3, addressesInUse: 4,
        addressesTotal: 254, values: [:], routing: "Native", podMTU: 1500, programs: [], starts: 2,
        kernelFeatures: ["map-ringbuf": "available", "helper-sk-assign": "masked"])

    @Test func everySampleHasItsFamily() {
        let text = PrometheusText.text(
            status,
            [
                MetricSample(reason: "forwarded", code: 0, direction: "egress", packets: 7, bytes: 700),
                MetricSample(reason: "ttl-exceeded", code: -10, direction: "ingress", packets: 1, bytes: 60),
            ])
        #expect(text.contains("datapath_forward_count_total{direction=\"EGRESS\"} 7\n"))
        #expect(text.contains("datapath_drop_bytes_total{direction=\"INGRESS\",reason=\"ttl-exceeded\"} 60\n"))
        #expect(text.contains("datapath_ipam_addresses{state=\"used\"} 4\n"))
        #expect(text.contains("datapath_ready 1\n"))
        #expect(text.contains("datapath_map_entries{map=\"dp_nat\"} 12\n"))
        #expect(text.contains("datapath_map_capacity{map=\"dp_nat\"} 65536\n"))
        #expect(text.contains("datapath_kernel_feature{feature=\"helper-sk-assign\"} 0\n"))
        #expect(!text.contains("datapath_event_lost_total"))
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            #expect(line.wholeMatch(of: /[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9]+/) != nil, "\(line)")
        }
        let types = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE") }
        #expect(Set(types).count == types.count)
    }

    @Test func labelsCannotBreakOut() {
        let text = PrometheusText.text(
            status, [MetricSample(reason: "a\"b\\c\nd", code: -1, direction: "egress", packets: 1, bytes: 1)])
        #expect(text.contains(#"reason="a\"b\\c\nd""#))
    }
}
