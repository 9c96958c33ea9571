import ServedObjects
import Testing

@testable import Operator

@Suite struct CollectionTests {
    private static func identity(_ number: UInt32, _ labels: [String], uid: String? = nil) -> CiliumIdentity {
        var identity = CiliumIdentity(number: number, labels: labels)
        identity.metadata.uid = uid ?? "\(number)"
        return identity
    }

    @Test func `an identity goes when no endpoint has had it for two rounds`() {
        var unused = UnusedIdentities()
        let all = [Self.identity(1000, ["k8s:app=a"]), Self.identity(2000, ["k8s:app=b"])]
        #expect(unused.round(all, used: [1000]).isEmpty)
        #expect(unused.round(all, used: [1000]).map(\.number) == [2000])
        // Used between, or made anew, it has two rounds again.
        #expect(unused.round(all, used: [1000, 2000]).isEmpty)
        #expect(unused.round(all, used: [1000]).isEmpty)
        #expect(unused.round([Self.identity(2000, ["k8s:app=b"], uid: "other")], used: []).isEmpty)
    }

    @Test func `a number that an identity in use was tried after stays`() {
        var unused = UnusedIdentities()
        let labels = ["k8s:app=web"]
        let candidates = IdentityNumber.candidates(of: labels)
        let passed = Self.identity(candidates[0], ["k8s:app=other"])
        let also = Self.identity(candidates[1], ["k8s:app=another"])
        let used = Self.identity(candidates[2], labels)
        let after = Self.identity(candidates[3], ["k8s:app=third"])
        for _ in 0..<2 { _ = unused.round([passed, also, used, after], used: [used.number]) }
        let gone = unused.round([passed, also, used, after], used: [used.number])
        #expect(gone.map(\.number) == [after.number])
        // With the last user of the chain, its beginning goes, too.
        _ = unused.round([passed, also], used: [])
        #expect(unused.round([passed, also], used: []).count == 2)
    }

    @Test func `what has no owner for two rounds goes`() {
        func head(_ name: String, uid: String, owner: String?) -> ObjectHead {
            ObjectHead(
                name: name, namespace: "default", uid: uid,
                owner: owner.map { OwnerReference(kind: "Pod", name: name, uid: $0) })
        }
        let objects = [
            head("a", uid: "1", owner: "pod-a"), head("b", uid: "2", owner: "pod-b"), head("c", uid: "3", owner: nil),
            head("d", uid: "4", owner: "pod-d"),
        ]
        let pods = [
            Orphans.Owner(namespace: "default", name: "a", uid: "pod-a"),
            // Another one of the same name.
            Orphans.Owner(namespace: "default", name: "b", uid: "new"),
            Orphans.Owner(namespace: "default", name: "c", uid: "pod-c"),
            Orphans.Owner(namespace: "other", name: "d", uid: "pod-d"),
        ]
        var orphans = Orphans()
        #expect(orphans.round(objects, owners: pods).isEmpty)
        #expect(orphans.round(objects, owners: pods).map(\.name) == ["b", "d"])
        let back = pods + [Orphans.Owner(namespace: "default", name: "d", uid: "pod-d")]
        #expect(orphans.round(objects, owners: back).map(\.name) == ["b"])
        #expect(orphans.round(objects, owners: pods).map(\.name) == ["b"])
    }
}
