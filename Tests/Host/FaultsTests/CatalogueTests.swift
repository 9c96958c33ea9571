import Scenario
import Testing

@testable import Faults

/// What every fault of the catalogue must have.
@Suite struct CatalogueTests {
    /// A valid call of each kind, as a file has it.
    static let calls = [
        "security-group-rule": "action: remove, group: nodes, rule: vxlan",
        "link-down": "nodes: node1",
        "node-pause": "nodes: node1",
        "node-crash": "nodes: all",
        "agent-kill": "nodes: [node1, node2]",
        "netem": "nodes: node1, loss: 3%",
        "kube-proxy-residue": "nodes: node1",
        "api-server-down": "", "api-server-slow": "delay: 500ms", "etcd-slow": "delay: 1s", "scheduler-down": "",
        "controller-manager-down": "", "operator-down": "", "cloud-controller-down": "",
    ]
    /// The faults that are done to servers, and not to nodes.
    static let ofServers = [
        "api-server-down", "api-server-slow", "etcd-slow", "scheduler-down", "controller-manager-down",
        "operator-down", "cloud-controller-down",
    ]
    static let kinds = FaultCatalogue.shipped.descriptors.map(\.kind)

    private static func call(_ kind: String, id: String) throws -> String {
        let parameters = try #require(calls[kind], "no call of \(kind) in the table")
        return "fault: \(kind), id: \(id)" + (parameters.isEmpty ? "" : ", \(parameters)")
    }

    @Test func `kinds and the parameters of each have names of their own`() {
        #expect(Set(Self.kinds).count == Self.kinds.count)
        #expect(Set(Self.calls.keys) == Set(Self.kinds))
        for descriptor in FaultCatalogue.shipped.descriptors {
            let names = descriptor.parameters.map(\.name)
            #expect(Set(names).count == names.count, "\(descriptor.kind)")
        }
    }

    @Test func `words name what was given, and what holds else`() throws {
        let netem = try #require(FaultCatalogue.shipped.descriptors.first { $0.kind == "netem" })
        let calls =
            InjectionFile("fault: netem, nodes: node1, loss: 2.5%").calls
            + InjectionFile("fault: netem, nodes: node1, interface: labrun_vxlan, delay: 1s, jitter: 20ms").calls
        #expect(
            calls.map(netem.words) == [
                "impair what leaves node1 by eth0 (delay none, jitter none, loss 2.5%, corrupt none, duplicate none, "
                    + "reorder none)",
                "impair what leaves node1 by labrun_vxlan (delay 1s, jitter 20ms, loss none, corrupt none, "
                    + "duplicate none, reorder none)",
            ])
    }

    @Test(arguments: kinds)
    func `a fault claims something of every node that it is done to`(kind: String) throws {
        let file = InjectionFile(try Self.call(kind, id: "a"))
        #expect(file.problems == [])
        let call = try #require(file.calls.first)
        let claims = try FaultCatalogue.shipped.kind(of: call).descriptor.claims(call, file.nodes)
        #expect(!claims.isEmpty)
        #expect(
            claims.map(\.node) == (Self.ofServers.contains(kind) ? ["control-plane"] : call.targets(among: file.nodes)))
    }

    @Test(arguments: kinds)
    func `a fault conflicts with itself, in a file and in a run in the same words`(kind: String) throws {
        let (first, second) = (try Self.call(kind, id: "a"), try Self.call(kind, id: "b"))
        try expectSameConflict(first, second, contains: "is already held by fault \"a\" of line 11; heal it first")
    }

    @Test(arguments: [
        ("node-crash", "agent-kill", "node1 does not run because of fault \"a\" of line 11"),
        ("node-crash", "netem", "node1 does not run because of fault \"a\" of line 11"),
        ("kube-proxy-residue", "node-crash", "node1 must run until fault \"a\" of line 11 is healed"),
        ("netem", "node-pause", "node1 must run until fault \"a\" of line 11 is healed"),
        (
            "api-server-down", "api-server-slow",
            "kube-apiserver of the control-plane is already held by fault \"a\" of line 11; heal it first"
        ),
    ])
    func `power conflicts with what needs it, in a file and in a run in the same words`(
        first: String, second: String, words: String
    ) throws {
        try expectSameConflict(try Self.call(first, id: "a"), try Self.call(second, id: "b"), contains: words)
    }

    /// Both the reading of a file and a run must refuse the two faults, in the same words.
    private func expectSameConflict(_ first: String, _ second: String, contains words: String) throws {
        let holder = InjectionFile(first)
        let wanted = InjectionFile("", second)
        let calls = try [#require(holder.calls.first), #require(wanted.calls.first)]
        var inForce = ClaimsInForce()
        inForce.hold(try claims(calls[0], holder.nodes), by: calls[0])
        let conflict = try #require(inForce.conflict(of: try claims(calls[1], wanted.nodes)))
        #expect(conflict.description.contains(words))
        let told = try #require(InjectionFile(first, second).parsed.problems.first)
        #expect(told.line == 12)
        #expect(
            told.message
                == (conflict.mayBeRefusedByRun ? "\(conflict), and the run will refuse it" : conflict.description))
        #expect(told.severity == (conflict.mayBeRefusedByRun ? .warning : .error))
        inForce.release(calls[0].id)
        #expect(try inForce.conflict(of: claims(calls[1], wanted.nodes)) == nil)
    }

    private func claims(_ call: FaultCall, _ nodes: [String]) throws -> [Claim] {
        try FaultCatalogue.shipped.kind(of: call).descriptor.claims(call, nodes)
    }

    @Test func `a rule at a node's interface is held whether or not the node runs`() {
        let rule = "fault: security-group-rule, action: remove, group: nodes, rule: tcp"
        #expect(InjectionFile("fault: node-crash, nodes: all", rule).problems == [])
    }

    @Test(arguments: [19, 20, 21, 22])
    func `a signal that stops the agent is refused with its place`(signal: Int) {
        let problems = InjectionFile("fault: agent-kill, nodes: node1, signal: \(signal)").problems
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("x.yaml:11:53: signal \(signal) (SIG") == true, "\(problems)")
        #expect(problems.first?.contains("stops a process and does not end it; expected a signal that ends") == true)
    }

    @Test(arguments: [1, 9, 15, 18, 23])
    func `other signals are taken`(signal: Int) {
        #expect(InjectionFile("fault: agent-kill, nodes: node1, signal: \(signal)").problems == [])
    }

    @Test func `netem asks for what the file says, in milliseconds and percent`() throws {
        let parameters = "delay: 20ms, jitter: 5ms, loss: 30%, corrupt: 0.5, duplicate: 2%, reorder: 25%"
        let call = try #require(InjectionFile("fault: netem, nodes: node1, \(parameters)").calls.first)
        let asked = NetemFault.parameters(of: call)
        #expect(asked.description == "delay 20000us jitter 5000us loss 30% corrupt 0.5% duplicate 2% reorder 25%")
    }
}
