import Faults
import Scenario
import Testing

@testable import Lab

/// Who is there, and what is noted of those that joined.
@Suite struct MembershipStateTests {
    private func membership(later: Int = 2) throws -> Membership {
        var profile = try ScenarioLoader.load("link-flap", faults: FaultCatalogue.shipped.descriptors).profile
        profile.laterCount = later
        return Membership(profile)
    }

    @Test func `nodes join and leave once, all of a call or none`() throws {
        let membership = try membership()
        #expect(["node1", "node2", "node3"].map(membership.isPresent) == [true, false, false])
        #expect(membership.begin(["node2", "node1"], nil) == ["node1"])
        #expect(membership.standing(of: "node2") == .absent)
        #expect(membership.begin(["node2"], NodeTraits(labels: ["a": "b"])) == [])
        #expect(membership.standing(of: "node2") == .joining)
        #expect(!membership.isPresent("node2"))
        #expect(membership.begin(["node2"], nil) == ["node2"])
        #expect(membership.traits(of: "node2").labels == ["a": "b"])
        #expect(membership.arrive(["node2"]) == [])
        #expect(membership.isPresent("node2"))
        #expect(membership.end(["node2", "node3"]) == ["node3"])
        #expect(membership.isPresent("node2"))
        #expect(membership.end(["node2"]) == [])
        #expect(membership.traits(of: "node2").isEmpty)
        #expect(membership.begin(["node9"], nil) == ["node9"])
    }

    /// An autoscaler's machine that is ended while it boots.
    @Test func `a node that was ended while it joined does not come back`() throws {
        let membership = try membership()
        #expect(membership.begin(["node2", "node3"], nil) == [])
        #expect(membership.end(["node3"]) == [])
        #expect(membership.arrive(["node2", "node3"]) == ["node3"])
        #expect(membership.isPresent("node2"))
        #expect(membership.standing(of: "node3") == .absent)
    }

    @Test func `times are noted once, and of the last join only`() throws {
        let membership = try membership()
        _ = membership.begin(["node3"], nil)
        membership.note(1, \.runtime, of: "node3")
        membership.note(2, \.runtime, of: "node3")
        membership.note(3, \.firstPod, of: "node1")
        #expect(membership.joins.map(\.node) == ["node3"])
        #expect(membership.joins.first?.runtime == 1)
        #expect(membership.joins.first?.firstPod == nil)
        _ = membership.end(["node3"])
        membership.note(4, \.agent, of: "node3")
        #expect(membership.joins.first?.agent == nil)
        _ = membership.begin(["node3"], nil)
        #expect(membership.joins.count == 1)
        #expect(membership.joins.first?.runtime == nil)
    }

    /// The report of the next run in the lab would tell of it.
    @Test func `a join is forgotten with the run that it was in`() throws {
        let membership = try membership()
        _ = membership.begin(["node3"], nil)
        #expect(membership.arrive(["node3"]) == [])
        membership.forgetJoins()
        membership.note(1, \.firstPod, of: "node3")
        #expect(membership.joins.isEmpty)
        #expect(membership.isPresent("node3"))
    }

    @Test func `what follows a join ends with the node`() async throws {
        let membership = try membership()
        _ = membership.begin(["node3"], nil)
        let task = Task { while !Task.isCancelled { await Task.yield() } }
        membership.watch("node3", task)
        _ = membership.end(["node3"])
        await task.value
        #expect(task.isCancelled)
    }
}
