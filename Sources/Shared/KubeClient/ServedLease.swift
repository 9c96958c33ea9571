import JSON

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Times as `metav1.MicroTime` writes them.
public enum LeaseTime {
    /// `2026-11-29T18:00:00.123000Z`
    public static func now() -> String {
        let text = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        // Exactly six digits are taken; these are three.
        return text.hasSuffix("Z") ? text.dropLast() + "000Z" : text
    }
}

/// A `Lease` object of an API server.
public struct ServedLease: LeaseStore {
    private let client: KubeClient
    private let namespace: String
    private let name: String

    public init(_ client: KubeClient, namespace: String = "kube-system", name: String) {
        self.client = client
        self.namespace = namespace
        self.name = name
    }

    public func lease(within limit: Duration) async throws -> (record: LeaseRecord, version: String)? {
        do {
            let value = try await client.get(
                .leases, namespace: namespace, name: name, as: JSONValue.self, within: limit)
            return (Self.record(value["spec"]), value["metadata"]?["resourceVersion"]?.text ?? "")
        } catch let error as KubeClientError where error.status?.isNotFound == true {
            return nil
        }
    }

    public func write(_ record: LeaseRecord, over version: String?, within limit: Duration) async throws -> String? {
        var metadata: [String: JSONValue] = ["name": .string(name), "namespace": .string(namespace)]
        if let version { metadata["resourceVersion"] = .string(version) }
        let body = KubeBody(
            .object([
                "apiVersion": .string("coordination.k8s.io/v1"), "kind": .string("Lease"),
                "metadata": .object(metadata), "spec": Self.spec(record),
            ]))
        do {
            let answer =
                version == nil
                ? try await client.create(.leases, namespace: namespace, body, within: limit)
                : try await client.replace(.leases, namespace: namespace, name: name, body, within: limit)
            return try answer.json()["metadata"]?["resourceVersion"]?.text ?? ""
        } catch let error as KubeClientError where error.status?.code == 409 {
            return nil
        } catch let error as KubeClientError where error.status?.isNotFound == true && version != nil {
            // Somebody has deleted it. Where it cannot even be created, there is no such namespace.
            return nil
        }
    }

    private static func record(_ spec: JSONValue?) -> LeaseRecord {
        // The API server takes whole seconds above zero only; what somebody else has written is bounded all the same.
        let seconds = min(max(spec?["leaseDurationSeconds"]?.integerValue ?? 0, 0), 3600)
        return LeaseRecord(
            holder: spec?["holderIdentity"]?.text ?? "", duration: .seconds(seconds),
            acquireTime: spec?["acquireTime"]?.text ?? "", renewTime: spec?["renewTime"]?.text ?? "",
            transitions: spec?["leaseTransitions"]?.integerValue ?? 0)
    }

    private static func spec(_ record: LeaseRecord) -> JSONValue {
        .object([
            "holderIdentity": .string(record.holder),
            "leaseDurationSeconds": .integer(max(1, record.duration.components.seconds)),
            "acquireTime": .string(record.acquireTime), "renewTime": .string(record.renewTime),
            "leaseTransitions": .integer(record.transitions & 0x7FFF_FFFF),
        ])
    }
}
