import DatapathModel
import NetAddress
import Policy
import Testing

@testable import Datapath

@Suite struct PolicyPlanTests {
    private func policy(_ matches: [(UInt32, PortRange?, PolicyDecision.Verdict)]) -> EndpointPolicy {
        let rules = matches.enumerated().map { index, match in
            PolicyRule(
                name: "rule \(index)", direction: .ingress, isDeny: match.2 == .deny,
                peers: match.0 == 0 ? [.everybody] : [.range(Self.range(match.0), except: [])],
                ports: match.1.map { [.range($0)] })
        }
        let unit = PolicyUnit(policy: "policy", subject: Selector(), isolates: [.ingress], rules: rules)
        var compiler = PolicyCompiler(
            units: [unit],
            identities: (1...9).map { PeerIdentity(number: $0, labels: [], range: Self.range($0)) }, node: 1)
        return compiler.compile(labels: [])
    }

    private static func range(_ number: UInt32) -> IPv4CIDR { IPv4CIDR(host: IPv4Address(rawValue: number)) }

    /// What the datapath decides with the entries, by the four lookups of bpf/include/policy.h.
    private func verdict(
        _ plan: PolicyPlan, identity: UInt32, port: UInt16, _ transport: PortProtocol
    ) -> PolicyMapValue.Verdict? {
        let number =
            PolicyPlan.chunks(plan.classes)[PortChunk.key(slot: transport.rawValue, port: port)]
            .map { $0[Int(port) % PortChunk.ports] } ?? 0
        let lookups = [(identity, number), (0, number), (identity, 0), (0, 0)].dropFirst(number == 0 ? 2 : 0)
        let found = lookups.compactMap { identity, number in
            plan.entries[
                PolicyMapKey(
                    endpointID: 7, direction: .ingress, identity: Identity(rawValue: identity), portClass: number)]?
                .verdict
        }
        return [.deny, .allow, .defaultDeny].first(where: found.contains)
    }

    /// The entries decide every connection as the compiled policy does.
    @Test func lookupsAgreeWithThePolicy() throws {
        var random = SeededRandom(state: 11)
        var classes = PortClasses()
        let names = RuleNames()
        for _ in 0..<12 {
            let matches = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                let low = UInt16.random(in: 0...140, using: &random)
                let ports = PortRange(
                    Bool.random(using: &random) ? .tcp : .udp, low...(low + UInt16.random(in: 0...70, using: &random)))
                return (
                    UInt32.random(in: 0...4, using: &random), Bool.random(using: &random) ? ports : nil,
                    UInt8.random(in: 0...3, using: &random) == 0 ? PolicyDecision.Verdict.deny : .allow
                )
            }
            let policy = policy(matches)
            let plan = try PolicyPlan(endpoints: [7: policy], classes: classes, ruleNames: names)
            classes = plan.classes
            for transport in [PortProtocol.tcp, .udp, .icmp] {
                for port in UInt16(0)...220 {
                    for identity in UInt32(1)...5 {
                        let expected: PolicyMapValue.Verdict? =
                            switch policy.ingress?.decision(identity: identity, port: port, of: transport)?.verdict {
                            case .allow: .allow
                            case .deny: .deny
                            case .defaultDeny: .defaultDeny
                            case .redirect, nil: nil
                            }
                        #expect(verdict(plan, identity: identity, port: port, transport) == expected)
                    }
                }
            }
            #expect(PolicyPlan.classes(PolicyPlan.chunks(classes)) == classes)
        }
    }

    @Test func namesStayWithTheirNumbers() throws {
        let names = RuleNames()
        let first = names.number(of: "a")
        #expect(names.number(of: "b") != first)
        #expect(names.number(of: "a") == first)
        #expect(names.name(of: first) == "a")
        #expect(names.name(of: 0) == nil)
        #expect(names.name(of: 99) == nil)
    }

    @Test func tooManyEntriesAreRefused() {
        let ports = (0..<400).map { (UInt32(0), PortRange(.tcp, $0 * 2...$0 * 2), PolicyDecision.Verdict.allow) }
        let policy = policy(ports.map { ($0.0, $0.1, $0.2) })
        let endpoints = Dictionary(uniqueKeysWithValues: (1...400).map { (UInt16($0), policy) })
        #expect(throws: DatapathError.self) {
            try PolicyPlan(endpoints: endpoints, classes: PortClasses(), ruleNames: RuleNames())
        }
    }
}

@Suite struct LocalIdentityTests {
    private func range(_ text: String) throws -> IPv4CIDR { try #require(IPv4CIDR(text)) }

    @Test func rangesKeepTheirNumbers() throws {
        let one = try range("1.0.0.0/8")
        let two = try range("2.0.0.0/8")
        let three = try range("3.0.0.0/8")
        let first = try LocalIdentities().changed(to: [one, two])
        #expect(Set(first.numbers.values) == [0xFF0000, 0xFF0001])
        let second = try first.changed(to: [two, three])
        #expect(second.numbers[two] == first.numbers[two])
        // It must not get the number that is given up in the same step.
        #expect(second.numbers[three] == 0xFF0002)
        let third = try second.changed(to: [one])
        #expect(third.numbers == [one: 0xFF0000])
    }

    @Test func numbersAreReadBack() throws {
        let one = try range("1.0.0.0/8")
        let pods = try range("192.168.2.0/24")
        let restored = LocalIdentities(ipcache: [
            one: IPCachePlan.Value(identity: 0xFF0007, tunnelEndpoint: nil),
            pods: IPCachePlan.Value(identity: 3, tunnelEndpoint: IPv4Address(10, 0, 0, 12)),
        ])
        #expect(restored.numbers == [one: 0xFF0007])
    }

    @Test func thereAreOnlySoMany() throws {
        let ranges = Set((0..<65537).map { IPv4CIDR(host: IPv4Address(rawValue: UInt32($0))) })
        #expect(throws: DatapathError.localIdentitiesExhausted(limit: 65536)) {
            try LocalIdentities().changed(to: ranges)
        }
    }
}

private struct SeededRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
