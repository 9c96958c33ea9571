import KubeClient
import Readings
import Testing

@testable import Diagnosis

/// A lab whose agents lost their API server in one way, and what the diagnosis has to say of it.
private struct ServerLossCase: Sendable, CustomTestStringConvertible {
    let name: String
    let lab: ServerLossLab
    let found: [String]
    let mentions: [String]

    init(_ name: String, _ lab: ServerLossLab, found: [String], mentions: [String] = []) {
        self.name = name
        self.lab = lab
        self.found = found
        self.mentions = mentions
    }

    var testDescription: String { name }
}

/// Evidence of two nodes whose agents ask one API server.
private struct ServerLossLab: Sendable {
    static let server = "10.0.9.4"
    var asked = "10.0.9.4:6443"
    /// The reason of each node's agent; nil for one that is connected.
    var reasons: [String: KubeClientError] = [:]
    /// States of servers that do not run.
    var states: [String: ControlPlaneReading.Server.State] = [:]
    var beside: String?
    var onTheWire: String?
    /// How many packets of node2's connections were seen: at its tap, at the server's host, answered, back at the tap.
    var packets = [0, 0, 0, 0]
    var reject: FlowLogReading?
    var carrier = true
    var power = NodeReading.Power.running
    var isComplete = true

    private func flow() -> FlowTuple {
        FlowTuple(
            protocol: 6, source: "10.0.0.12", sourcePort: 40_001, destination: Self.server, destinationPort: 6443)
    }

    static func rejected(_ reversed: Bool) -> FlowLogReading {
        let flow = ServerLossLab().flow()
        return FlowLogReading(
            node: "node2", interfaceID: "eni-2", accepted: false, flow: reversed ? flow.reversed : flow, packets: 3)
    }

    func evidence() -> Evidence {
        var evidence = Evidence(recordingIsComplete: isComplete)
        for name in ["node1", "node2"] {
            var node = NodeReading(
                name: name, address: "10.0.0.1\(name.suffix(1))", podCIDR: "", tunnelPort: 8472,
                power: name == "node2" ? power : .running, answers: true, carrier: name == "node2" ? carrier : true,
                agentRunning: true, impairments: [])
            node.apiServer = ServerConnectionReading(
                server: "https://\(asked)", isConnected: reasons[name] == nil, seconds: 12,
                reason: reasons[name].map { "nodes: \($0)" })
            evidence.nodes.append(node)
        }
        for (count, fromNode, isThere) in zip3(packets, [true, false, true, false], [false, true, true, false]) {
            let isRequest = fromNode != isThere
            for _ in 0..<count {
                let packet = TapPacket(
                    node: isThere ? "control-plane" : "node2", fromNode: fromNode,
                    outer: isRequest ? flow() : flow().reversed, vni: nil, inner: nil)
                if isThere { evidence.cloud.wire.append(packet) } else { evidence.wire.append(packet) }
            }
        }
        evidence.flowLog = reject.map { [$0] } ?? []
        evidence.securityGroups = [SecurityGroupReading(node: "node2", group: "nodes", rules: [])]
        guard !reasons.isEmpty else { return evidence }
        let servers = ["etcd", "kube-apiserver", "kube-scheduler"]
        evidence.controlPlane = ControlPlaneReading(
            place: "control-plane", address: Self.server, port: 6443,
            servers: servers.map { .init(name: $0, state: states[$0] ?? .running) },
            beside: .init(isHealthy: beside == nil, words: beside ?? "ok"),
            onTheWire: .init(isHealthy: onTheWire == nil, words: onTheWire ?? "ok"))
        return evidence
    }
}

private func zip3<A, B, C>(_ a: [A], _ b: [B], _ c: [C]) -> [(A, B, C)] { zip(a, zip(b, c)).map { ($0, $1.0, $1.1) } }

/// The words of agents are those of their client.
private let silent = KubeClientError.timedOut("https://10.0.9.4:6443: the connection was not established")
private let refused = KubeClientError.unreachable("https://10.0.9.4:6443: Connection refused")
private let untrusted = KubeClientError.tls("https://10.0.9.4:6443: certificate verify failed: IP address mismatch")
private func refusal(_ code: Int, _ reason: String) -> KubeClientError {
    .refused(KubeStatus(code: code, reason: reason, message: reason))
}

private func lab(_ change: (inout ServerLossLab) -> Void) -> ServerLossLab {
    var lab = ServerLossLab()
    change(&lab)
    return lab
}

private let cases = [
    ServerLossCase("all agents are connected", ServerLossLab(), found: []),
    ServerLossCase(
        "the process was killed",
        lab {
            $0.reasons = ["node1": refused, "node2": refused]
            $0.states = ["kube-apiserver": .ended]
            ($0.beside, $0.onTheWire) = ("kube-apiserver is unreachable: Connection refused", "Connection refused")
            $0.packets = [4, 4, 4, 4]
        }, found: ["control-plane/server-down"], mentions: ["kube-apiserver does not run", "node1 and node2"]),
    ServerLossCase(
        "the process is paused",
        lab {
            $0.reasons = ["node2": silent]
            $0.states = ["kube-apiserver": .stopped]
            ($0.beside, $0.onTheWire) = ("no answer of kube-apiserver in time", "no answer")
            $0.packets = [4, 4, 4, 4]
        }, found: ["control-plane/server-silent"], mentions: ["kube-apiserver stands still", "stopped"]),
    ServerLossCase(
        "etcd was killed under it",
        lab {
            $0.reasons = ["node2": silent]
            $0.states = ["etcd": .ended]
            ($0.beside, $0.onTheWire) = ("status 500: etcd failed", "status 500")
        }, found: ["control-plane/server-down"], mentions: ["etcd does not run"]),
    ServerLossCase(
        "it runs and is not well",
        lab {
            $0.reasons = ["node2": silent]
            ($0.beside, $0.onTheWire) = ("status 500: poststarthook failed", "status 500")
        }, found: ["control-plane/server-silent"], mentions: ["runs and does not answer", "poststarthook"]),
    ServerLossCase(
        "another server of the control plane is down",
        lab {
            $0.reasons = ["node2": silent]
            $0.states = ["kube-scheduler": .ended]
            $0.packets = [5, 0, 0, 0]
        }, found: ["control-plane/unreachable"], mentions: ["leave for the API server at 10.0.9.4:6443"]),
    ServerLossCase(
        "a security group lets nothing out",
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = [5, 0, 0, 0]
            $0.reject = ServerLossLab.rejected(false)
        }, found: ["control-plane/port-blocked"], mentions: ["let no packets out", "group nodes", "6443", "REJECT"]),
    ServerLossCase(
        "a security group lets no answers in",
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = [5, 5, 5, 0]
            $0.reject = ServerLossLab.rejected(true)
        }, found: ["control-plane/port-blocked"], mentions: ["in", "group nodes"]),
    ServerLossCase(
        "packets leave and do not arrive",
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = [5, 0, 0, 0]
        }, found: ["control-plane/unreachable"], mentions: ["do not arrive", "5 left the node's tap", "router over"]),
    ServerLossCase(
        "packets arrive and nothing is sent back",
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = [5, 5, 0, 0]
        }, found: ["control-plane/unreachable"], mentions: ["its host sends none back"]),
    ServerLossCase(
        "answers do not come back",
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = [5, 5, 4, 0]
        }, found: ["control-plane/unreachable"], mentions: ["answers", "does not arrive"]),
    ServerLossCase(
        "nothing leaves the node",
        lab { $0.reasons = ["node2": silent] },
        found: ["control-plane/unreachable"], mentions: ["do not leave their nodes"]),
    ServerLossCase(
        "the node has no route",
        lab { $0.reasons = ["node2": .unreachable("https://10.0.9.4:6443: Network is unreachable")] },
        found: ["control-plane/unreachable"], mentions: ["node2 has no route"]),
    ServerLossCase(
        "the agent asks another address",
        lab {
            $0.asked = "10.0.9.5:6443"
            $0.reasons = ["node2": silent]
        }, found: ["control-plane/unreachable"], mentions: ["https://10.0.9.5:6443", "10.0.9.4:6443"]),
    ServerLossCase(
        "another address that is translated to the server's is no wrong one",
        lab {
            $0.asked = "10.100.0.1:443"
            $0.reasons = ["node2": silent]
            $0.packets = [5, 5, 0, 0]
        }, found: ["control-plane/unreachable"], mentions: ["sends none back"]),
    ServerLossCase(
        "the certificate is refused",
        lab {
            $0.reasons = ["node1": untrusted, "node2": untrusted]
            $0.packets = [5, 5, 5, 5]
        }, found: ["control-plane/certificate-refused"], mentions: ["IP address mismatch", "says ok"]),
    ServerLossCase(
        "the token is refused",
        lab {
            $0.reasons = ["node2": refusal(401, "Unauthorized")]
            $0.packets = [5, 5, 5, 5]
        }, found: ["control-plane/token-refused"], mentions: ["Unauthorized (401)"]),
    ServerLossCase(
        "the role is missing",
        lab {
            $0.reasons = ["node2": refusal(403, "Forbidden")]
            $0.packets = [5, 5, 5, 5]
        }, found: ["control-plane/request-forbidden"], mentions: ["Forbidden (403)"]),
    ServerLossCase(
        "each agent has a reason of its own",
        lab {
            $0.reasons = ["node1": untrusted, "node2": silent]
            $0.packets = [5, 0, 0, 0]
        }, found: ["control-plane/certificate-refused", "control-plane/unreachable"]),
    ServerLossCase(
        "the server is back and the agent not yet",
        lab {
            $0.reasons = ["node2": refused]
            $0.packets = [2, 2, 2, 2]
        }, found: []),
    ServerLossCase(
        "the agent was refused and waits for its next try", lab { $0.reasons = ["node2": refused] }, found: []),
    ServerLossCase(
        "the node has no carrier",
        lab {
            $0.reasons = ["node2": silent]
            $0.carrier = false
            $0.packets = [5, 0, 0, 0]
        }, found: ["underlay/link-down"]),
    ServerLossCase(
        "the node is paused",
        lab {
            $0.reasons = ["node2": silent]
            $0.power = .paused
        }, found: ["node/paused"]),
]

@Suite struct ServerLossTests {
    @Test(arguments: cases) fileprivate func `each cause is told from those that look like it`(
        _ given: ServerLossCase
    ) throws {
        let findings = Diagnosis.examine(given.lab.evidence()).filter {
            given.found.contains($0.id) || $0.id.hasPrefix("control-plane/")
        }
        #expect(findings.map(\.id) == given.found)
        guard let first = findings.first else { return }
        let text = ([first.summary] + first.evidence).joined(separator: "\n")
        for mention in given.mentions { #expect(text.contains(mention), "\(text)") }
        #expect(first.confidence > 0.5)
    }

    @Test func `captures that missed packets make absence weak evidence`() throws {
        let sure = try #require(Diagnosis.examine(lost([5, 0, 0, 0], isComplete: true)).first)
        let unsure = try #require(Diagnosis.examine(lost([5, 0, 0, 0], isComplete: false)).first)
        #expect(unsure.confidence < sure.confidence)
        #expect(unsure.evidence.contains { $0.contains("weak evidence") })
    }

    @Test func `nothing is said of a server that was not read`() {
        var evidence = lost([5, 0, 0, 0], isComplete: true)
        evidence.controlPlane = nil
        #expect(Diagnosis.examine(evidence).isEmpty)
    }

    @Test func `an agent that has not asked yet is not lost`() {
        var evidence = lost([5, 0, 0, 0], isComplete: true)
        for index in evidence.nodes.indices { evidence.nodes[index].apiServer?.reason = nil }
        #expect(Diagnosis.examine(evidence).isEmpty)
    }

    private func lost(_ packets: [Int], isComplete: Bool) -> Evidence {
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = packets
            $0.isComplete = isComplete
        }.evidence()
    }

    @Test(arguments: [
        ("https://10.0.9.4:6443", "10.0.9.4", 6443), ("http://a:1", "a", 1),
    ]) func `the asked address is read`(_ server: String, _ host: String, _ port: UInt16) throws {
        let reading = ServerConnectionReading(server: server, isConnected: false, seconds: 0, reason: nil)
        let endpoint = try #require(reading.endpoint)
        #expect(endpoint.host == host && endpoint.port == port)
    }

    @Test(arguments: ["", "https://", "https://a", "https://a:", "https://a:65536", "://:", "https://:x"])
    func `what is no address is none`(_ server: String) {
        let reading = ServerConnectionReading(server: server, isConnected: false, seconds: 0, reason: nil)
        #expect(reading.endpoint == nil)
    }
}
