import Foundation
import Matrix
import Readings
import RunEvents

/// The event stream of a run as the lab host would emit it: VXLAN blocked by the nodes' security group, then allowed
/// again.
struct SampleRun {
    var nodes = 3
    var podsPerNode = 2
    /// The expectation of the blocked step. With `open` the run fails.
    var expectBlocked = "timeout"
    /// Text that is put wherever text of a lab can be.
    var hostile = ""
    /// What a control plane's API server was asked; nil for a lab without.
    var requests: APIRequestCounts?

    static let start = Date(timeIntervalSince1970: 1_795_000_000)
    static let protocols: [(ProbeProtocol, UInt16)] = [(.tcp, 8080), (.udp, 8080), (.icmp, 0)]

    var header: RunHeader {
        RunHeader(
            tool: .init(version: "0.1.0", revision: "0123abcd"),
            host: .init(kernel: "6.18.5", cpus: 2, accelerator: "tcg (KVM probe guest did not answer)"), seed: 42,
            scenario: .init(
                name: "vxlan-blocked-8472", title: "Overlay traffic blocked by the nodes' security group\(hostile)",
                file: "scenarios/vxlan-blocked-8472.yaml", sha256: String(repeating: "ab", count: 32),
                labels: ["source": "000"], steps: ["baseline", "blocked", "fixed"]),
            startedAt: Self.start)
    }

    var endpoints: [Endpoint] {
        var all: [Endpoint] = []
        for node in 1...nodes {
            for pod in 1...podsPerNode {
                all.append(
                    Endpoint(
                        id: "default/web-\(node)-\(pod)\(hostile)", kind: .pod, node: "node\(node)",
                        namespace: "default",
                        address: "192.168.\(node).\(9 + pod)", port: 8080, labels: ["app": "web"]))
            }
            all.append(
                Endpoint(
                    id: "node/node\(node)", kind: .node, node: "node\(node)", namespace: nil,
                    address: "10.0.0.\(10 + node)",
                    port: 4240, labels: [:]))
        }
        return all
    }

    func matrix(blocked: Bool, expected: String, provisional: Bool = false) -> MatrixRecord {
        var cells: [Cell] = []
        for from in endpoints {
            for to in endpoints where from.id != to.id {
                for (proto, port) in Self.protocols {
                    let overlay = from.node != to.node && from.kind == .pod && to.kind == .pod
                    let observed: Outcome = blocked && overlay ? .timeout : .open
                    let accepted = [OutcomePattern(overlay ? expected : "open")].compactMap { $0 }
                    let good = accepted.contains { $0.matches(observed) }
                    cells.append(
                        Cell(
                            key: CellKey(from: from.id, to: to.id, protocol: proto, port: port), expected: accepted,
                            observed: observed, verdict: good ? .pass : .fail,
                            latencyMicros: observed == .open ? 310 + cells.count % 700 : nil, attempts: 1,
                            why: observed == .open && good ? [] : why(from, to)))
                }
            }
        }
        return MatrixRecord(
            endpoints: endpoints, cells: cells, seconds: blocked ? 1.08 : 0.07,
            longestRoundTripMicros: 1_010, provisional: provisional)
    }

    func why(_ from: Endpoint, _ to: Endpoint) -> [WhyEntry] {
        [
            WhyEntry(
                hop: "probe", node: from.node, detail: "3 packets to \(to.address), no answer in 1.0 s", seen: nil),
            WhyEntry(
                hop: "sender-datapath", node: from.node,
                detail: "to-overlay, identity 1042, tunnel endpoint of \(to.node ?? "")\(hostile)",
                seen: true),
            WhyEntry(hop: "sender-tap", node: from.node, detail: "UDP 8472 left the node", seen: true),
            WhyEntry(hop: "fabric", node: nil, detail: "security group sg-nodes: REJECT udp/8472", seen: true),
            WhyEntry(hop: "receiver-tap", node: to.node, detail: "no UDP 8472 from \(from.node ?? "")", seen: false),
        ]
    }

    var events: [RunEvent] {
        var all: [RunEvent] = []
        func add(_ at: Double, _ payload: RunEvent.Payload) { all.append(RunEvent(at: at, payload: payload)) }
        add(0, .runStarted(header))
        add(0.01, .phaseStarted(phase: .preflight))
        add(0.12, .phaseFinished(phase: .preflight, seconds: 0.11))
        let lab = (1...nodes).map {
            LabDescription.Node(
                name: "node\($0)", kernel: "6.1.0-49-cloud-amd64", addresses: ["10.0.0.\(10 + $0)"],
                podCIDRs: ["192.168.\($0).0/24"])
        }
        var described = LabDescription(
            profile: "eks-overlay", nodes: lab, datapath: ["routingMode": "tunnel", "tunnelProtocol": "vxlan"])
        if requests != nil { described.controlPlane = .init(version: "v1.20.2", address: "10.0.9.4") }
        add(0.13, .labDescribed(described))
        add(0.14, .phaseStarted(phase: .boot))
        for (seconds, state) in [(0.2, "defined"), (0.3, "booting"), (1.9, "runtime")] {
            for node in lab {
                add(0.14 + seconds, .node(.init(node: node.name, state: state, detail: "", seconds: seconds)))
            }
        }
        add(2.5, .phaseFinished(phase: .boot, seconds: 2.36))
        add(2.5, .phaseStarted(phase: .ready))
        for node in lab { add(3.2, .node(.init(node: node.name, state: "ready", detail: "", seconds: 3.06))) }
        add(3.3, .phaseFinished(phase: .ready, seconds: 0.8))
        baseline(add)
        blocked(add)
        fixed(add)
        add(9.6, .phaseStarted(phase: .teardown))
        add(9.9, .phaseFinished(phase: .teardown, seconds: 0.3))
        if let requests { add(9.9, .apiRequests(requests)) }
        add(9.9, .artifact(.init(path: "artifacts/console-node1.log", kind: "console")))
        add(9.9, .artifact(.init(path: "artifacts/flow-log.txt", kind: "flow-log")))
        let failed = expectBlocked == "open"
        add(
            9.95,
            .runFinished(
                .init(
                    verdict: failed ? .fail : .pass,
                    message: failed
                        ? "step blocked: pod → pod cross-node: expected open, "
                            + "timeout in \(overlayCells) of \(overlayCells) cells"
                        : "every expectation of 3 steps was met", durationSeconds: 9.95)))
        return all
    }

    private var overlayCells: Int { podsPerNode * podsPerNode * nodes * (nodes - 1) * 3 }

    private func baseline(_ add: (Double, RunEvent.Payload) -> Void) {
        add(
            3.3,
            .stepStarted(
                .init(
                    index: 0, name: "baseline", title: "the healthy cluster", actions: [],
                    startedAt: Self.start.addingTimeInterval(3.3))))
        add(3.4, .matrix(step: 0, matrix(blocked: false, expected: "open", provisional: true)))
        add(3.5, .matrix(step: 0, matrix(blocked: false, expected: "open")))
        add(3.5, .health(step: 0, health(blocked: false)))
        add(3.5, .diagnosis(step: 0, .init(expected: nil, found: [])))
        add(3.5, .expectation(step: 0, met("matrix: everything open", "\(overlayCells) cells open")))
        add(3.5, .stepFinished(step: 0, .init(verdict: .pass, durationSeconds: 0.2, convergenceSeconds: 0.1)))
    }

    private func blocked(_ add: (Double, RunEvent.Payload) -> Void) {
        let failed = expectBlocked == "open"
        add(
            3.6,
            .stepStarted(
                .init(
                    index: 1, name: "blocked", title: "no ingress rule for UDP 8472",
                    actions: ["remove rule vxlan (ingress udp/8472 from sg-nodes) of security group sg-nodes"],
                    startedAt: Self.start.addingTimeInterval(3.6))))
        add(3.6, .phaseStarted(phase: .inject))
        add(3.7, .fault(step: 1, fault(.injected, ["rule handle 12 removed from sg-nodes"])))
        add(3.9, .phaseFinished(phase: .inject, seconds: 0.2))
        add(3.9, .phaseStarted(phase: .verifyEffect))
        add(
            4.2,
            .fault(
                step: 1,
                fault(.verified, ["drop counter of sg-nodes rose from 0 to 36", "flow log: REJECT udp/8472\(hostile)"]))
        )
        add(4.2, .phaseFinished(phase: .verifyEffect, seconds: 0.3))
        add(4.2, .phaseStarted(phase: .measure))
        add(5.4, .log(.init(level: .warning, source: "node2", message: "overlay: no answer from 10.0.0.11\(hostile)")))
        add(6.2, .matrix(step: 1, matrix(blocked: true, expected: expectBlocked)))
        add(6.2, .phaseFinished(phase: .measure, seconds: 2.0))
        add(6.3, .health(step: 1, health(blocked: true)))
        add(
            6.4,
            .diagnosis(
                step: 1,
                .init(
                    expected: "underlay/vxlan-port-blocked",
                    found: [
                        .init(
                            id: "underlay/vxlan-port-blocked",
                            summary:
                                "The security group sg-nodes has no ingress rule for UDP 8472: VXLAN leaves "
                                + "every sender "
                                + "and reaches no receiver.\(hostile)",
                            evidence: [
                                "24 of 24 cross-node pod pairs time out, all node pairs are open",
                                "node1, node2, node3: to-overlay events, UDP 8472 seen on the sender's tap",
                                "no UDP 8472 on any receiver's tap", "flow log: 72 × REJECT udp/8472 sg-nodes ingress",
                            ],
                            fix: "allow ingress UDP 8472 in sg-nodes, source: sg-nodes itself", confidence: 0.97)
                    ])))
        let first = endpoints.filter { $0.kind == .pod && $0.node == "node1" }[0]
        let other = endpoints.filter { $0.kind == .pod && $0.node == "node2" }[0]
        let name = "matrix: pod → pod cross-node"
        add(
            6.4,
            .expectation(
                step: 1,
                failed
                    ? .init(
                        name: name, state: .unmet,
                        message: "expected open, timeout in \(overlayCells) of \(overlayCells) cells",
                        why: why(first, other), seconds: 1.1, retries: 0)
                    : met(name, "timeout in \(overlayCells) of \(overlayCells) cells")))
        add(6.4, .expectation(step: 1, met("matrix: pod → pod same-node", "open")))
        add(6.4, .expectation(step: 1, met("diagnosis: underlay/vxlan-port-blocked", "found with confidence 0.97")))
        add(
            6.4,
            .stepFinished(
                step: 1, .init(verdict: failed ? .fail : .pass, durationSeconds: 2.8, convergenceSeconds: nil)))
    }

    private func fixed(_ add: (Double, RunEvent.Payload) -> Void) {
        add(
            6.5,
            .stepStarted(
                .init(
                    index: 2, name: "fixed", title: "the rule is back",
                    actions: ["add ingress udp/8472 from sg-nodes to sg-nodes"],
                    startedAt: Self.start.addingTimeInterval(6.5))))
        add(6.8, .fault(step: 2, fault(.healed, ["rule set equals the one before"])))
        add(9.3, .matrix(step: 2, matrix(blocked: false, expected: "open")))
        add(9.4, .health(step: 2, health(blocked: false)))
        add(9.5, .expectation(step: 2, met("matrix: everything open", "open")))
        add(9.5, .stepFinished(step: 2, .init(verdict: .pass, durationSeconds: 3.0, convergenceSeconds: 0.4)))
    }

    private func fault(_ state: FaultRecord.State, _ evidence: [String]) -> FaultRecord {
        .init(
            id: "sg-vxlan", kind: "security-group-rule-removed", targets: ["sg-nodes/vxlan"], state: state,
            evidence: evidence)
    }

    private func met(_ name: String, _ message: String) -> ExpectationResult {
        .init(name: name, state: .met, message: message, why: [], seconds: 0.1, retries: 0)
    }

    private func health(blocked: Bool) -> [HealthRecord] {
        (1...nodes).map { node in
            HealthRecord(
                node: "node\(node)", reachable: blocked ? 1 : nodes, total: nodes,
                peers: (1...nodes).map {
                    .init(name: "node\($0)", address: "10.0.0.\(10 + $0)", node: true, endpoint: !blocked || $0 == node)
                })
        }
    }
}
