import AgentAPI
import Readings
import Testing

@testable import Datapath

@Suite struct TextTests {
    @Test func healthReadsAsEngineersKnowIt() {
        let peers = [
            HealthPeer(
                name: "node1", address: "10.0.0.11", isLocal: true, nodeReachable: true, endpointReachable: true,
                nodeLatencyMicros: 80, endpointLatencyMicros: 120),
            HealthPeer(
                name: "node2", address: "10.0.0.12", isLocal: false, nodeReachable: true, endpointReachable: false,
                nodeLatencyMicros: 900, endpointLatencyMicros: nil),
        ]
        let report = HealthReport(nodeName: "node1", reachable: 1, total: 2, peers: peers)
        #expect(
            HealthText.text(report, time: "2026-01-02T03:04:05Z") == """
                Probe time:       2026-01-02T03:04:05Z
                Cluster health:   1/2 reachable   (2026-01-02T03:04:05Z)
                Name                IP          Node        Endpoints
                node1 (localhost)   10.0.0.11   reachable   reachable
                node2               10.0.0.12   reachable   unreachable

                """)
    }

    @Test func statusNamesWhatIsWrong() {
        let node = NodeEntry(
            name: "node1", address: "10.0.0.11", podCIDR: "192.168.1.0/24", routerAddress: "192.168.1.1",
            healthAddress: "192.168.1.2")
        var status = AgentStatus(
            nodeName: "node1", version: "1", ready: false, problems: ["eth0 ingress: from_netdev is not attached"],
            kernel: "6.1", node: node, knownNodes: ["node1"], endpointCount: 1, addressesInUse: 2, addressesTotal: 254,
            values: [:], routing: "Native", podMTU: 1500, programs: [], starts: 3,
            objects: ["services": 2, "pods": 1], objectProblems: ["services: full"])
        status.readyEndpoints = 12
        status.memory = MemorySample(procStatus: "Name:\tdatapathd\nVmHWM:\t   40960 kB\nVmRSS:\t   30720 kB\n")
        let text = StatusText.text(status)
        #expect(text.contains("Ready endpoints:  12 in all slices\n"))
        #expect(text.contains("Memory:           30720 KiB resident, at most 40960 KiB\n"))
        #expect(MemorySample(procStatus: "VmHWM:\t   40960 kB\n") == nil)
        #expect(MemorySample(procStatus: "VmHWM:\t1 kB\nVmRSS:\tmany kB\n") == nil)
        #expect(text.contains("Datapath:         Failure   not ready\n"))
        #expect(text.contains("Problem:          eth0 ingress: from_netdev is not attached\n"))
        #expect(text.contains("Objects:          pods 1, services 2\n"))
        #expect(text.contains("Objects problem:  services: full\n"))
        #expect(text.contains("IPAM:             IPv4: 2/254 allocated from 192.168.1.0/24\n"))
    }

    @Test func namesFromOutsideCannotSteerTheTerminal() {
        var table = TextTable("A", "B")
        table.add("\u{1B}[31mx\n", "y\u{9B}")
        #expect(table.text == "A        B\n?[31mx?   y?\n" || !table.text.contains("\u{1B}"))
        #expect(!table.text.contains("\u{1B}") && !table.text.contains("\u{9B}"))
    }

    @Test func eventsAreOneLineEach() {
        let event = PacketEvent(
            sequence: 1, nanoseconds: 12_000_345_678, hook: .fromEndpoint,
            drop: PacketDrop(DropReason(rawValue: "unknown-endpoint"), code: -8, location: "lxc.bpf.c:40"),
            flow: FlowTuple(
                protocol: 6, source: "192.168.1.3", sourcePort: 1234, destination: "192.168.1.9", destinationPort: 80),
            sourceIdentity: 300, endpointID: 4, interface: "lxc1", length: 74)
        #expect(
            MonitorText.line(event)
                == "[12.000345] xx drop (unknown-endpoint, -8) at from-endpoint endpoint 4 identity "
                + "300->0 interface lxc1: 192.168.1.3:1234 -> 192.168.1.9:80 tcp 74 bytes file lxc.bpf.c:40")
    }

    @Test func logLinesAreQuoted() {
        #expect(
            Log.line(
                nanoseconds: 2_000_005_000, level: "info", message: "a \"b\"\n",
                fields: ["k": "v", "l": "x y", "m": ""])
                == "time=2.000005 level=info msg=\"a \\\"b\\\"\\n\" k=v l=\"x y\" m=\"\"\n")
    }

    @Test func timesAreUTC() {
        #expect(WallClock.text(seconds: 1_700_000_000) == "2023-11-14T22:13:20Z")
    }

    @Test(arguments: [
        (["run"], DatapathCommand.Request.run(config: "/run/labrun/datapathd.json")),
        (["run", "--config", "/x"], .run(config: "/x")), (["status"], .status(.init())),
        (["-o", "json", "bpf", "ipcache", "list"], .ipcache(.init(json: true))),
        (["health", "--deadline", "300", "--socket", "/s"], .health(.init(socket: "/s"), deadlineMillis: 300)),
        (["call", "{}"], .call(.init(), line: "{}")), (["monitor", "--help"], .help),
    ])
    func commandsAreUnderstood(_ words: [String], _ request: DatapathCommand.Request) throws {
        #expect(try DatapathCommand.parse(words) == request)
    }

    @Test(arguments: [
        [], ["x"], ["status", "y"], ["-o", "yaml", "status"], ["--config"], ["health", "--deadline", "0"], ["--what"],
    ])
    func mistakesAreNamed(_ words: [String]) {
        #expect(throws: DatapathCommand.UsageError.self) { try DatapathCommand.parse(words) }
    }
}
