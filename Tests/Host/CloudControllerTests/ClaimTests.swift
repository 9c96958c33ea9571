import CloudAPI
import JSON
import Testing

@testable import CloudController

/// The way of a claim from its object to a node, and out again.
@Suite struct ClaimTests {
    static let time = "2026-01-31T12:00:00Z"
    static let agent = Taint(key: "node.cilium.io/agent-not-ready", value: "true", effect: "NoSchedule")

    private func claim(_ true: [ClaimCondition.Kind] = [], providerID: String = "") -> NodeClaim {
        var claim = NodeClaim(name: ObjectName(name: "default-abcde", uid: "c-1"))
        claim.pool = "default"
        claim.labels = [NodePool.label: "default", "team": "a"]
        claim.startupTaints = [Self.agent]
        claim.finalizers = [NodeClaim.finalizer]
        claim.requests = ResourceAmounts(milli: ["cpu": 1000, "pods": 1000])
        claim.conditions = `true`.map { ClaimCondition($0, "True", $0.rawValue) }
        claim.providerID = providerID
        return claim
    }

    private func view(_ claim: NodeClaim, machines: [CloudMachine] = [], nodes: [KubeNode] = []) throws -> ClusterView {
        var view = ClusterView()
        view.claims = [claim]
        view.machines = machines
        view.nodes = nodes
        view.types = [small]
        view.pools = [try pool()]
        return view
    }

    private func step(_ claim: NodeClaim, _ view: ClusterView, age: Duration = .seconds(1)) -> ClaimStep {
        ClaimStep(claim, in: view, age: age, time: Self.time)
    }

    @Test func aNewClaimAsksForAMachine() throws {
        let new = claim()
        let step = step(new, try view(new))
        guard case .launch(let type, let data) = step.actions.first else {
            Issue.record("\(step.actions)")
            return
        }
        #expect(type == "t3.medium")
        #expect(data.labels == ["team": "a", NodePool.label: "default"])
        #expect(data.taints.map(\.key) == ["node.cilium.io/agent-not-ready", "karpenter.sh/unregistered"])
        #expect(!step.claim.isTrue(.launched))
    }

    @Test func theMachineIsKnownByTheClaimsUid() throws {
        let new = claim()
        let view = try view(new, machines: [machine("node3", .pending, token: "c-1")])
        let step = step(new, view)
        #expect(step.actions.isEmpty)
        #expect(step.claim.providerID == "aws:///lab-1a/i-node3")
        #expect(step.claim.isTrue(.launched))
        #expect(
            step.events.map(\.message) == [
                "Status condition transitioned, Type: Launched, Status: Unknown -> True, Reason: Launched"
            ])
        #expect(step.claim.conditions.first { $0.type == "Ready" }?.status == "Unknown")
    }

    @Test func withoutCapacityTheClaimIsGivenUp() throws {
        let new = claim()
        var view = try view(new)
        view.unavailable = ["t3.medium"]
        let step = step(new, view)
        #expect(step.actions == [.delete])
        #expect(step.events.map(\.reason) == ["InsufficientCapacityError"])
    }

    @Test func theNodeIsRegisteredAndWaitsForItsStartupTaints() throws {
        let launched = claim([.launched], providerID: "aws:///lab-1a/i-node3")
        let fresh = node("node3", taints: [Self.agent, .unregistered, .uninitialized], ready: false)
        let view = try view(launched, machines: [machine("node3")], nodes: [fresh])
        let step = step(launched, view)
        #expect(step.claim.isTrue(.registered))
        #expect(step.claim.nodeName == "node3")
        #expect(step.events.map(\.reason) == ["Registered"])
        guard case .change(let change) = step.actions.first else {
            Issue.record("\(step.actions)")
            return
        }
        let patch = change.patch
        #expect(patch["metadata"]?["labels"]?["karpenter.sh/registered"]?.text == "true")
        #expect(patch["metadata"]?["resourceVersion"]?.text == "7")
        #expect(patch["spec"]?["taints"]?.elements?.count == 2)
        #expect(step.claim.conditions.first { $0.type == "Initialized" }?.reason == "NodeNotReady")
    }

    static let waits: [([Taint], Bool, String)] = [
        ([agent], true, "StartupTaint \"node.cilium.io/agent-not-ready=true:NoSchedule\" still exists"),
        ([], false, "Node status is NodeNotReady"),
        (
            [.uninitialized], true,
            "KnownEphemeralTaint \"node.cloudprovider.kubernetes.io/uninitialized=true:NoSchedule\" still exists"
        ),
        ([], true, ""),
    ]
    @Test(arguments: waits) func initializationSaysWhatItWaitsFor(_ taints: [Taint], _ ready: Bool, _ message: String)
        throws
    {
        let registered = claim([.launched, .registered], providerID: "aws:///lab-1a/i-node3")
        let node = node("node3", taints: taints, ready: ready, providerID: "aws:///lab-1a/i-node3")
        let step = step(registered, try view(registered, machines: [machine("node3")], nodes: [node]))
        let condition = step.claim.conditions.first { $0.type == "Initialized" }
        #expect(condition?.message == message)
        #expect(condition?.status == (message.isEmpty ? "True" : "Unknown"))
        #expect(step.claim.isTrue(.ready) == message.isEmpty)
        if message.isEmpty { #expect(step.events.map(\.reason).sorted() == ["Initialized", "Ready"]) }
    }

    @Test func aMachineWithoutANodeIsGivenUpAfterAWhile() throws {
        let launched = claim([.launched], providerID: "aws:///lab-1a/i-node3")
        let view = try view(launched, machines: [machine("node3")])
        #expect(step(launched, view, age: .seconds(899)).actions.isEmpty)
        #expect(step(launched, view, age: .seconds(901)).actions == [.delete])
    }

    @Test func aMachineThatHasEndedTakesItsClaimAlong() throws {
        let ready = claim([.launched, .registered, .initialized], providerID: "aws:///lab-1a/i-node3")
        #expect(step(ready, try view(ready)).actions == [.delete])
    }

    /// A machine is launched before it has booted, so that this is how one ends that does not come up.
    @Test func aMachineThatDoesNotComeUpSaysWhy() throws {
        let launched = claim([.launched], providerID: "aws:///lab-1a/i-node3")
        var broken = machine("node3", .terminated)
        broken.stateReason = "node3 ended while it booted"
        let step = step(launched, try view(launched, machines: [broken]))
        #expect(step.actions == [.delete])
        #expect(step.events.map(\.reason) == ["LaunchFailed"])
        #expect(step.events.first?.message.contains("node3 ended while it booted") == true)
        let ready = claim([.launched, .registered, .initialized], providerID: "aws:///lab-1a/i-node3")
        #expect(self.step(ready, try view(ready, machines: [broken])).events.isEmpty)
    }

    @Test func emptyNodesGoAfterTheirTime() throws {
        let ready = claim([.launched, .registered, .initialized], providerID: "aws:///lab-1a/i-node3")
        var view = try view(ready, machines: [machine("node3")], nodes: [node("node3")])
        view.pools = [try pool(spec: #""disruption": {"consolidateAfter": "30s"}"#)]
        func actions(_ empty: Duration?) -> [ClaimStep.Action] {
            ClaimStep(ready, in: view, age: .seconds(99), emptySince: empty, time: Self.time).actions
        }
        #expect(actions(nil) == [])
        #expect(actions(.seconds(29)) == [])
        #expect(actions(.seconds(30)) == [.delete])
        view.pools = [try pool(spec: #""disruption": {"consolidateAfter": "Never"}"#)]
        #expect(actions(.seconds(3000)) == [])
    }

    @Test func theEndIsDrainedThenTerminatedThenForgotten() throws {
        var ending = claim([.launched, .registered, .initialized], providerID: "aws:///lab-1a/i-node3")
        ending.isTerminating = true
        var node = node("node3")
        var view = try view(ending, machines: [machine("node3")], nodes: [node])
        let web = try pod("web", node: "node3")
        var agent = try pod("agent", node: "node3")
        agent.owners = ["DaemonSet"]
        view.pods = [web, agent]
        let first = step(ending, view).actions
        #expect(first.count == 2)
        #expect(first.last == .evict(web.name))
        node.taints = [.disrupted]
        view.nodes = [node]
        view.pods = [agent]
        #expect(step(ending, view).actions == [.terminate(instance: "i-node3")])
        view.machines = [machine("node3", .shuttingDown)]
        #expect(step(ending, view).actions == [])
        view.machines = [machine("node3", .terminated)]
        #expect(step(ending, view).actions == [.deleteNode(node.name), .removeFinalizer])
    }

    // MARK: Provisioning

    @Test func podsAreToldTheirClaim() throws {
        var view = ClusterView()
        view.pools = [try pool(template: #"{"startupTaints": \#(SimulationTests.agentNotReady)}"#)]
        view.types = [small]
        view.pods = [try pod("web", requests("1")), try pod("big", requests("32"))]
        let done = Provisioning(view) { "abcde" }
        #expect(done.claims.map(\.name) == ["default-abcde"])
        #expect(done.events.map(\.reason) == ["FailedScheduling", "Nominated"])
        #expect(done.events[1].message == "Pod should schedule on: nodeclaim/default-abcde")
        let object = done.claims[0].plan.object(named: "default-abcde")
        let read = try NodeClaim(object)
        #expect(read.pool == "default")
        #expect(read.startupTaints == [Self.agent])
        #expect(read.requests["cpu"] == 1000)
        // With the claim there, the next look makes no other.
        view.claims = [read]
        let again = Provisioning(view) { "fghij" }
        #expect(again.claims.isEmpty)
        #expect(again.events.map(\.message).last == "Pod should schedule on: nodeclaim/default-abcde")
    }

    @Test func podsOfDaemonSetsNeedNoNode() throws {
        var view = ClusterView()
        view.pools = [try pool()]
        view.types = [small]
        var agent = try pod("agent")
        agent.owners = ["DaemonSet"]
        var bound = try pod("bound")
        bound.isUnschedulable = false
        view.pods = [agent, bound]
        #expect(Provisioning(view) { "abcde" }.claims.isEmpty)
    }

    @Test func eventsAreNotSaidAgainAtOnce() throws {
        var memory = EventMemory()
        let event = ControllerEvent.normal(.pod(ObjectName(namespace: "a", name: "b")), "Nominated", "x")
        #expect(memory.fresh([event, event], at: .zero) == [event])
        #expect(memory.fresh([event], at: .seconds(119)).isEmpty)
        #expect(memory.fresh([event], at: .seconds(121)) == [event])
    }
}
