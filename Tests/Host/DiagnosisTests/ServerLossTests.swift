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
    let fix: String?

    init(_ name: String, _ lab: ServerLossLab, found: [String], mentions: [String] = [], fix: String? = nil) {
        self.name = name
        self.lab = lab
        self.found = found
        self.mentions = mentions
        self.fix = fix
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
    /// How many packets left node2 for the address that its agent asks, which is not the server's.
    var elsewhere = 0
    var reject: FlowLogReading?
    var impairments: [String] = []
    /// Whether node2's datapath reports that it drops such a packet.
    var isDropped = false
    var carrier = true
    var power = NodeReading.Power.running
    var isComplete = true

    private static func flow(from port: UInt16 = 40_001, to host: String = server, _ hostPort: UInt16 = 6443)
        -> FlowTuple
    {
        FlowTuple(protocol: 6, source: "10.0.0.12", sourcePort: port, destination: host, destinationPort: hostPort)
    }

    static func rejected(_ reversed: Bool, at node: String = "node2", from port: UInt16 = 40_001) -> FlowLogReading {
        let flow = flow(from: port)
        return FlowLogReading(
            node: node, interfaceID: "eni-2", accepted: false, flow: reversed ? flow.reversed : flow, packets: 3)
    }

    func evidence() -> Evidence {
        var evidence = Evidence(recordingIsComplete: isComplete)
        for name in ["node1", "node2"] {
            var node = NodeReading(
                name: name, address: "10.0.0.1\(name.suffix(1))", podCIDR: "", tunnelPort: 8472,
                power: name == "node2" ? power : .running, answers: true, carrier: name == "node2" ? carrier : true,
                agentRunning: true, impairments: name == "node2" ? impairments : [])
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
                    outer: isRequest ? Self.flow() : Self.flow().reversed, vni: nil, inner: nil)
                if isThere { evidence.cloud.wire.append(packet) } else { evidence.wire.append(packet) }
            }
        }
        if let other = evidence.nodes.last?.apiServer?.endpoint {
            evidence.wire += (0..<elsewhere).map { _ in
                TapPacket(
                    node: "node2", fromNode: true, outer: Self.flow(to: other.host, other.port), vni: nil, inner: nil)
            }
        }
        if isDropped {
            evidence.datapath = [
                PacketEvent(
                    node: "node2", hook: .toNetwork, drop: PacketDrop(.policyDenyRule),
                    flow: Self.flow())
            ]
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
        }, found: ["control-plane/server-silent"], mentions: ["runs and is not ready", "poststarthook"]),
    ServerLossCase(
        "it runs and says nothing",
        lab {
            $0.reasons = ["node2": silent]
            ($0.beside, $0.onTheWire) = ("no answer of kube-apiserver in time", "no answer")
        }, found: ["control-plane/server-silent"], mentions: ["runs and does not answer"]),
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
        "a security group of the server's host lets nothing in",
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = [5, 0, 0, 0]
            $0.reject = ServerLossLab.rejected(false, at: "control-plane")
        }, found: ["control-plane/port-blocked"],
        mentions: ["the security groups of control-plane let no packets of node2 in"]),
    ServerLossCase(
        "a security group of the server's host lets no answers out",
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = [5, 5, 0, 0]
            $0.reject = ServerLossLab.rejected(true, at: "control-plane")
        }, found: ["control-plane/port-blocked"], mentions: ["the security groups of control-plane let no answers"]),
    ServerLossCase(
        "new connections are rejected, while the kubelet's old one goes on",
        lab {
            $0.reasons = ["node2": silent]
            $0.packets = [5, 5, 5, 5]
            $0.reject = ServerLossLab.rejected(false, from: 40_999)
        }, found: ["control-plane/port-blocked"], mentions: ["let no packets out"]),
    ServerLossCase(
        "a straggler of an answered connection is rejected",
        lab {
            $0.reasons = ["node2": refused]
            $0.packets = [5, 5, 5, 5]
            $0.reject = ServerLossLab.rejected(false)
        }, found: []),
    ServerLossCase(
        "a refusal of an old connection is rejected",
        lab {
            $0.reasons = ["node2": refused]
            $0.packets = [2, 2, 2, 2]
            $0.reject = ServerLossLab.rejected(true, from: 40_777)
        }, found: []),
    ServerLossCase(
        "no packet is seen of an agent that may wait for its next try", lab { $0.reasons = ["node2": silent] },
        found: []),
    ServerLossCase(
        "the node loses all packets before its tap",
        lab {
            $0.reasons = ["node2": silent]
            $0.impairments = ["eth0 netem delay 0us jitter 0us loss 100%"]
        }, found: ["control-plane/unreachable"], mentions: ["are lost on their nodes", "loss 100%"]),
    ServerLossCase(
        "the node delays packets",
        lab {
            $0.reasons = ["node2": silent]
            $0.impairments = ["eth0 netem delay 300000us jitter 0us loss 0%"]
        }, found: []),
    ServerLossCase(
        "the node's datapath drops them",
        lab {
            $0.reasons = ["node2": silent]
            $0.isDropped = true
        }, found: ["control-plane/unreachable"],
        mentions: ["are lost on their nodes", "drop at node2: policy-deny-rule"]),
    ServerLossCase(
        "large packets vanish, small ones do not",
        lab {
            $0.reasons = ["node2": .timedOut("https://10.0.9.4:6443: TLS was not established")]
            $0.packets = [9, 9, 9, 4]
        }, found: []),
    ServerLossCase(
        "the node has no route",
        lab { $0.reasons = ["node2": .unreachable("https://10.0.9.4:6443: Network is unreachable")] },
        found: ["control-plane/unreachable"], mentions: ["node2 has no route"]),
    ServerLossCase(
        "nobody answers ARP",
        lab { $0.reasons = ["node2": .unreachable("https://10.0.9.4:6443: No route to host")] },
        found: ["control-plane/unreachable"], mentions: ["node2 finds no host"]),
    ServerLossCase(
        "a router on the way says that there is no such host",
        lab {
            $0.reasons = ["node2": .unreachable("https://10.0.9.4:6443: No route to host")]
            $0.packets = [3, 0, 0, 0]
        }, found: ["control-plane/unreachable"], mentions: ["do not arrive", "No route to host"]),
    ServerLossCase(
        "the agent asks another address, while the kubelet asks the right one",
        lab {
            $0.asked = "10.0.9.5:6443"
            $0.reasons = ["node2": silent]
            $0.packets = [5, 5, 5, 5]
            $0.elsewhere = 3
        }, found: ["control-plane/unreachable"],
        mentions: ["https://10.0.9.5:6443", "10.0.9.4:6443", "3 packets left node2"]),
    ServerLossCase(
        "the agent asks an address that nobody has",
        lab {
            $0.asked = "10.0.9.5:6443"
            $0.reasons = ["node2": .unreachable("https://10.0.9.5:6443: No route to host")]
        }, found: ["control-plane/unreachable"], mentions: ["https://10.0.9.5:6443", "nothing on the node translates"]),
    ServerLossCase(
        "the agent asks another port",
        lab {
            $0.asked = "10.0.9.4:6444"
            $0.reasons = ["node2": refused]
            $0.elsewhere = 2
        }, found: ["control-plane/unreachable"], mentions: ["https://10.0.9.4:6444"]),
    ServerLossCase(
        "a service's address that nobody translates",
        lab {
            $0.asked = "10.100.0.1:443"
            $0.reasons = ["node2": silent]
            $0.elsewhere = 4
        }, found: ["control-plane/unreachable"], mentions: ["https://10.100.0.1:443", "translates it"]),
    ServerLossCase(
        "an agent of a service's address waits for its next try",
        lab {
            $0.asked = "10.100.0.1:443"
            $0.reasons = ["node2": silent]
        }, found: []),
    ServerLossCase(
        "another server's certificate",
        lab {
            $0.asked = "10.0.9.5:6443"
            $0.reasons = ["node2": untrusted]
            $0.elsewhere = 9
        }, found: ["control-plane/unreachable"], mentions: ["https://10.0.9.5:6443"]),
    ServerLossCase(
        "another cluster's server refuses the token",
        lab {
            $0.asked = "10.0.9.5:6443"
            $0.reasons = ["node2": refusal(401, "Unauthorized")]
            $0.elsewhere = 9
        }, found: ["control-plane/unreachable"], mentions: ["https://10.0.9.5:6443"]),
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
        "the certificate is out of date, or the clock is",
        lab {
            $0.reasons = ["node2": .tls("https://10.0.9.4:6443: certificate verify failed: certificate has expired")]
            $0.packets = [5, 5, 5, 5]
        }, found: ["control-plane/certificate-refused"], mentions: ["has expired"], fix: "clocks of node2"),
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
        "the node has no carrier, which explains failing probes, and there is none",
        lab {
            $0.reasons = ["node2": silent]
            $0.carrier = false
            $0.packets = [5, 0, 0, 0]
        }, found: []),
    ServerLossCase(
        "the node is paused, and so are its words",
        lab {
            $0.reasons = ["node2": silent]
            $0.power = .paused
        }, found: []),
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
        if let fix = given.fix { #expect(first.fix.contains(fix), "\(first.fix)") }
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
