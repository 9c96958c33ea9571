import Faults
import Lab
import Scenario
import Testing

/// A fault that does not ship. It has everything that the file of a new fault needs.
private struct ClockSkewFault: Fault {
    private static let ahead = FaultParameter.duration("ahead", required: true, help: "how far its clock is set ahead")

    static let descriptor = FaultDescriptor(
        kind: "clock-skew", summary: "set the clock of {nodes} {ahead} ahead",
        parameters: [FaultParameter.nodes(required: true, help: "nodes whose clock is set"), ahead],
        check: { check in
            if let seconds = check.call[ahead], seconds < 1 {
                check.report(at: ahead.name, message: "a clock is set by whole seconds", expected: "1s or more")
            }
        },
        claims: { $0.claims(clock, among: $1) })

    private static let clock = Claim.Part("the clock of {node}", power: .needed)

    init(_ call: FaultCall, in cluster: Cluster) throws { targets = call.targets(among: cluster.nodes.map(\.name)) }

    let targets: [String]
    func inject() async throws {}
    func effect() async throws -> Proof { Proof(false, ["nobody looked"]) }
    func heal() async throws {}
    func gone() async throws -> Proof { Proof(false, ["nobody looked"]) }
}

/// Shows that a fault is a file and a line: the fault above is in a list, and nowhere else.
@Suite struct AddedFaultTests {
    private static let catalogue = FaultCatalogue(FaultCatalogue.kinds + [ClockSkewFault.self])

    private func file(_ faults: String, _ more: String = "") -> InjectionFile {
        InjectionFile(faults, more, catalogue: Self.catalogue)
    }

    @Test func `only a catalogue that has the fault knows it`() {
        let call = "fault: clock-skew, nodes: node1, ahead: 5s"
        #expect(file(call).problems == [])
        #expect(InjectionFile(call).problems.first?.contains("unknown fault \"clock-skew\"") == true)
    }

    @Test(arguments: [
        ("nodes: node1, ahead: 5", "x.yaml:11:52: ahead must be a duration"),
        ("nodes: node1", "x.yaml:11:11: fault clock-skew has no \"ahead\""),
        ("nodes: node1, ahead: 300ms", "x.yaml:11:52: a clock is set by whole seconds; expected 1s or more"),
        ("nodes: node9, ahead: 5s", "x.yaml:11:38: no node \"node9\" in the lab"),
    ])
    func `the parser reports forms and checks with line and column`(parameters: String, message: String) {
        let problems = file("fault: clock-skew, \(parameters)").problems
        #expect(problems.count == 1 && problems[0].hasPrefix(message), "\(problems)")
    }

    @Test func `the parser takes the claims`() {
        let call = "fault: clock-skew, nodes: node1, ahead: 5s"
        let again = "fault: clock-skew, id: again, nodes: all, ahead: 5s"
        #expect(
            file(call, again).problems == [
                "x.yaml:12:35: the clock of node1 is already held by fault \"clock-skew\" of line 11; heal it first"
            ])
        #expect(
            file(call, "fault: node-crash, nodes: node1").problems == [
                "x.yaml:12:19: node1 must run until fault \"clock-skew\" of line 11 is healed"
            ])
    }

    @Test func `a run finds the fault by its kind, and its claims`() throws {
        let file = file("fault: clock-skew, nodes: all, ahead: 5s")
        let call = try #require(file.calls.first)
        let kind = try Self.catalogue.kind(of: call)
        #expect(ObjectIdentifier(kind) == ObjectIdentifier(ClockSkewFault.self))
        #expect(kind.descriptor.claims(call, file.nodes).map(\.description) == file.nodes.map { "the clock of \($0)" })
        #expect(throws: FaultError.self) { try FaultCatalogue.shipped.kind(of: call) }
    }

    @Test func `explain and the schema know it`() throws {
        let call = try #require(file("fault: clock-skew, nodes: node1, ahead: 5s").calls.first)
        #expect(Action.inject(call).words(Self.catalogue.descriptors) == "set the clock of node1 5s ahead")
        let schema = PublishedSchema.scenario
        #expect(schema.text(faults: Self.catalogue.descriptors).contains("how far its clock is set ahead"))
        #expect(!schema.text(faults: FaultCatalogue.shipped.descriptors).contains("clock-skew"))
    }
}
