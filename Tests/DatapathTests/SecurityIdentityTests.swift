import Testing

@testable import Datapath

@Suite struct SecurityIdentityTests {
    @Test func sameLabelsGiveTheSameIdentityOnEveryNode() {
        let labels = SecurityIdentity.securityLabels(namespace: "default", labels: ["tier": "front", "app": "web"])
        #expect(labels == ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=default", "k8s:tier=front"])
        // The number is part of the contract between nodes of different builds.
        #expect(SecurityIdentity.derive(from: labels) == SecurityIdentity.derive(from: labels.map { $0 }))
        #expect(SecurityIdentity.derive(from: ["k8s:app=db", "k8s:io.kubernetes.pod.namespace=default"]) == 1_675_125)
    }

    @Test func labelsOfASingleReplicaDoNotCount() {
        let one = ["app": "web", "pod-template-hash": "5d4f", "statefulset.kubernetes.io/pod-name": "web-0"]
        let other = ["app": "web", "pod-template-hash": "77aa"]
        #expect(
            SecurityIdentity.securityLabels(namespace: "a", labels: one)
                == SecurityIdentity.securityLabels(namespace: "a", labels: other))
    }

    @Test func theNamespaceCounts() {
        let one = SecurityIdentity.derive(from: SecurityIdentity.securityLabels(namespace: "a", labels: ["app": "web"]))
        let other = SecurityIdentity.derive(
            from: SecurityIdentity.securityLabels(namespace: "b", labels: ["app": "web"]))
        #expect(one != other)
    }

    @Test func whereALabelEndsCounts() {
        #expect(SecurityIdentity.derive(from: ["k8s:a=b", "c"]) != SecurityIdentity.derive(from: ["k8s:a=bc", ""]))
        #expect(SecurityIdentity.derive(from: ["ab"]) != SecurityIdentity.derive(from: ["a", "b"]))
    }

    @Test func identitiesAreSpreadOverTheirRange() {
        var seen = Set<UInt32>()
        for number in 0..<2000 {
            let identity = SecurityIdentity.derive(from: ["k8s:app=pod-\(number)"])
            #expect((256..<(1 << 24)).contains(identity))
            seen.insert(identity)
        }
        // 2,000 of 16.8 million: 0.12 collisions expected.
        #expect(seen.count >= 1998)
    }

    @Test func aCollisionIsRefusedAsLongAsTheOtherIsThere() throws {
        var byIdentity: [UInt32: [String]] = [:]
        var pair: ([String], [String])?
        for number in 0... {
            let labels = ["k8s:app=pod-\(number)"]
            if let other = byIdentity.updateValue(labels, forKey: SecurityIdentity.derive(from: labels)) {
                pair = (other, labels)
                break
            }
        }
        let (first, second) = try #require(pair)
        var registry = IdentityRegistry()
        let identity = try registry.acquire(first)
        #expect(try registry.acquire(first) == identity)
        #expect(throws: DatapathError.self) { try registry.acquire(second) }
        registry.release(identity)
        #expect(throws: DatapathError.self) { try registry.acquire(second) }
        registry.release(identity)
        #expect(try registry.acquire(second) == identity)
    }
}
