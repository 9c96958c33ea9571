import AgentAPI
import DatapathModel
import Policy
import Testing

@testable import Datapath

@Suite struct SecurityIdentityTests {
    @Test func sameLabelsGiveTheSameIdentityOnEveryNode() {
        let labels = SecurityLabels.ofPod(namespace: "default", labels: ["tier": "front", "app": "web"])
        #expect(
            labels == [
                "k8s:app=web", "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
                "k8s:io.kubernetes.pod.namespace=default", "k8s:tier=front",
            ])
        // The number is part of the contract between nodes with different builds.
        #expect(SecurityIdentity.derive(from: labels) == SecurityIdentity.derive(from: labels.map { $0 }))
        #expect(SecurityIdentity.derive(from: ["k8s:app=db", "k8s:io.kubernetes.pod.namespace=default"]) == 6_746_229)
    }

    @Test func labelsOfASingleReplicaDoNotCount() {
        let one = ["app": "web", "pod-template-hash": "5d4f", "statefulset.kubernetes.io/pod-name": "web-0"]
        let other = ["app": "web", "pod-template-hash": "77aa"]
        #expect(
            SecurityLabels.ofPod(namespace: "a", labels: one)
                == SecurityLabels.ofPod(namespace: "a", labels: other))
    }

    @Test func theNamespaceCounts() {
        let one = SecurityIdentity.derive(from: SecurityLabels.ofPod(namespace: "a", labels: ["app": "web"]))
        let other = SecurityIdentity.derive(
            from: SecurityLabels.ofPod(namespace: "b", labels: ["app": "web"]))
        #expect(one != other)
    }

    @Test func theNamespacesLabelsCount() {
        let plain = SecurityLabels.ofPod(namespace: "a", labels: [:])
        let team = SecurityLabels.ofPod(namespace: "a", labels: [:], namespaceLabels: ["team": "x"])
        #expect(team.contains("k8s:io.cilium.k8s.namespace.labels.team=x"))
        #expect(SecurityIdentity.derive(from: plain) != SecurityIdentity.derive(from: team))
        // An object cannot choose this name.
        let renamed = SecurityLabels.ofPod(
            namespace: "a", labels: [:], namespaceLabels: ["kubernetes.io/metadata.name": "b"])
        #expect(renamed == plain)
    }

    @Test func whereALabelEndsCounts() {
        #expect(SecurityIdentity.derive(from: ["k8s:a=b", "c"]) != SecurityIdentity.derive(from: ["k8s:a=bc", ""]))
        #expect(SecurityIdentity.derive(from: ["ab"]) != SecurityIdentity.derive(from: ["a", "b"]))
    }

    @Test func identitiesAreSpreadOverTheirRange() {
        var seen = Set<UInt32>()
        for number in 0..<2000 {
            let identity = SecurityIdentity.derive(from: ["k8s:app=pod-\(number)"])
            #expect(Identity.labelRange.contains(identity))
            seen.insert(identity)
        }
        // For 2,000 of 16.8 million numbers, 0.12 collisions are expected.
        #expect(seen.count >= 1998)
    }

    /// Two sets of labels with the same number.
    private func collidingPair() throws -> (first: [String], second: [String]) {
        var byIdentity: [UInt32: [String]] = [:]
        for number in 0..<100_000 {
            let labels = ["k8s:app=pod-\(number)"]
            if let other = byIdentity.updateValue(labels, forKey: SecurityIdentity.derive(from: labels)) {
                return (other, labels)
            }
        }
        throw DatapathError.kernel("no collision found")
    }

    @Test func aCollisionIsRefusedAsLongAsTheOtherIsThere() throws {
        let (first, second) = try collidingPair()
        var registry = IdentityRegistry()
        let identity = try registry.acquire(first)
        #expect(try registry.acquire(first) == identity)
        #expect(throws: DatapathError.self) { try registry.acquire(second) }
        registry.release(identity)
        #expect(throws: DatapathError.self) { try registry.acquire(second) }
        registry.release(identity)
        #expect(try registry.acquire(second) == identity)
    }

    private func entry(_ address: String, _ labels: [String], identity: UInt32? = nil) -> IPCacheEntry {
        IPCacheEntry(
            address: address, prefix: 32, identity: identity ?? SecurityIdentity.derive(from: labels),
            tunnelEndpoint: "10.0.0.12", labels: labels)
    }

    @Test func aCollisionAcrossNodesIsRefused() throws {
        let (first, second) = try collidingPair()
        var registry = IdentityRegistry()
        let identity = try registry.acquire(first)
        let expected = DatapathError.identityCollision(identity: identity, labels: second[0], other: first[0])
        #expect(throws: expected) { try registry.remoteIdentities(in: [entry("192.168.2.2", second)]) }
        #expect(throws: DatapathError.self) {
            try IdentityRegistry().remoteIdentities(in: [entry("192.168.2.2", first), entry("192.168.3.2", second)])
        }
        // Now in the other order: announced first, then asked for here.
        var other = IdentityRegistry()
        other.remote = try other.remoteIdentities(in: [entry("192.168.2.2", second), entry("192.168.2.3", second)])
        #expect(throws: DatapathError.identityCollision(identity: identity, labels: first[0], other: second[0])) {
            try other.acquire(first)
        }
        #expect(try other.acquire(second) == identity)
        #expect(other.all[identity]?.holders == 1)
    }

    @Test func labelsMustMakeTheirNumber() {
        #expect(throws: DatapathError.self) {
            try IdentityRegistry().remoteIdentities(in: [entry("192.168.2.2", ["k8s:app=web"], identity: 300)])
        }
        #expect(throws: Never.self) {
            // Reserved identities are not derived.
            try IdentityRegistry().remoteIdentities(in: [entry("192.168.2.2", ["reserved:health"], identity: 4)])
        }
    }
}
