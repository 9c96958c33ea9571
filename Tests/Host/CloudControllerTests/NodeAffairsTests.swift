import CloudAPI
import JSON
import Testing

@testable import CloudController

@Suite struct NodeAffairsTests {
    @Test func aNewNodeIsCompleted() {
        var fresh = node("node3", taints: [.uninitialized])
        fresh.addresses = [.init("InternalIP", "10.0.0.13"), .init("Hostname", "node3")]
        let affairs = NodeAffairs(fresh, machine: machine("node3"))
        let patch = affairs.change?.patch
        #expect(patch?["spec"]?["providerID"]?.text == "aws:///lab-1a/i-node3")
        #expect(patch?["spec"]?["taints"] == .null)
        #expect(patch?["metadata"]?["labels"]?["failure-domain.beta.kubernetes.io/zone"]?.text == "lab-1a")
        #expect(
            affairs.addresses?.map(\.type) == ["InternalIP", "ExternalIP", "InternalDNS", "Hostname"])
        #expect(affairs.events.map(\.reason) == ["Synced"])
    }

    @Test func aCompleteNodeIsLeftAlone() {
        let new = NodeAffairs(node("node3"), machine: machine("node3"))
        var complete = node("node3", providerID: "aws:///lab-1a/i-node3")
        complete.labels = new.change?.labels ?? [:]
        complete.addresses = new.addresses?.reversed() ?? []
        let again = NodeAffairs(complete, machine: machine("node3"))
        #expect(again.change == nil)
        #expect(again.addresses == nil)
        #expect(again.events.isEmpty)
    }

    /// Ready, the machine's state, whether the node goes, whether it has the taint of a stopped machine then.
    static let ends: [(Bool, CloudMachine.State?, Bool, Bool)] = [
        (false, nil, true, false), (false, .terminated, true, false), (true, nil, false, false),
        (false, .stopped, false, true), (true, .stopped, false, false), (false, .running, false, false),
    ]
    @Test(arguments: ends) func nodesEndWithTheirMachines(
        _ ready: Bool, _ state: CloudMachine.State?, _ goes: Bool, _ isShut: Bool
    ) {
        let old = node("node3", ready: ready, providerID: "aws:///lab-1a/i-node3")
        let affairs = NodeAffairs(old, machine: state.map { machine("node3", $0) })
        #expect(affairs.isGone == goes)
        #expect((affairs.change?.addedTaints == [.shutdown]) == isShut)
        if goes {
            #expect(
                affairs.events.first?.message
                    == "Deleting node node3 because it does not exist in the cloud provider")
        }
    }

    @Test func aMachineThatRunsAgainLosesTheTaint() {
        let back = node("node3", taints: [.shutdown], providerID: "aws:///lab-1a/i-node3")
        #expect(NodeAffairs(back, machine: machine("node3")).change?.patch["spec"]?["taints"] == .null)
    }
}
