import Fabric
import Testing

@testable import Faults

/// Whether the kernel's state of a security group's rule proves a fault.
@Suite struct SecurityGroupRuleProofTests {
    private func holds(
        _ states: [RuleStanding.State], _ wanted: RuleStanding.State, mustCarryGroup: Bool = true
    ) -> Bool {
        let standings = states.enumerated().map { RuleStanding(interfaceID: "eni-\($0.offset)", state: $0.element) }
        return SecurityGroupRuleFault.holds(standings, wanted, mustCarryGroup: mustCarryGroup)
    }

    @Test func `every interface that carries the group must agree`() {
        #expect(holds([.absent, .absent], .absent))
        #expect(!holds([.absent, .inForce], .absent))
        #expect(holds([.inForce], .inForce))
        #expect(!holds([.inForce, .absent], .inForce))
    }

    @Test func `another rule of the same name is neither in force nor absent`() {
        #expect(!holds([.different], .absent))
        #expect(!holds([.different], .inForce))
    }

    /// Such a node lacks the rule as well, but for another reason.
    @Test func `a node that carries the group nowhere does not prove that its rule was removed`() {
        #expect(!holds([], .absent))
        #expect(!holds([], .inForce))
        // On such a node an added rule is gone indeed.
        #expect(holds([], .absent, mustCarryGroup: false))
        #expect(!holds([], .inForce, mustCarryGroup: false))
    }
}
