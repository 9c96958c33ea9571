import JSON
import KubeClient
import KubeObjects
import Observations
import Scenario

extension ServerStore {
    /// The name by which the server knows who has set a field.
    static let fieldManager = "labrun"

    /// Applies objects on the server's side: definitions and namespaces first, then what others need, webhooks last;
    /// apart from that in the order given.
    ///
    /// - Throws: `ObjectRefusal` with the server's words for the first object that it does not take.
    public func apply(_ manifests: [ServedManifest], within limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        let ordered = manifests.enumerated().sorted { one, other in
            (one.element.rank, one.offset) < (other.element.rank, other.offset)
        }.map(\.element)
        let namespaces = Set(ordered.filter { $0.kind == "Namespace" && $0.group.isEmpty }.map(\.name))
        var prepared: Set<String> = []
        for manifest in ordered {
            let namespace = manifest.namespace ?? "default"
            if manifest.needsServiceAccount, namespaces.contains(namespace), prepared.insert(namespace).inserted {
                await waitForServiceAccount(of: namespace, until: end)
            }
            try await apply(manifest, until: end)
        }
        // What waits for pods asks the watch, which tells of these a moment later.
        let pods = ordered.filter { $0.kind == "Pod" && $0.group.isEmpty }.map {
            ObjectKey(namespace: $0.namespace ?? "default", name: $0.name)
        }
        await waitUntilKnown(pods, within: .seconds(5))
    }

    private func apply(_ manifest: ServedManifest, until end: ContinuousClock.Instant) async throws {
        let action = "apply \(manifest.words)"
        do {
            let resource = try await resource(of: manifest, action, until: end)
            try await send(manifest, to: resource, until: end)
        } catch let refusal as ObjectRefusal {
            throw refusal
        } catch {
            try Task.checkCancellation()
            throw ObjectRefusal(action, at: manifest.place, error)
        }
    }

    /// Sends an object. A resource whose definition is new is described a moment before it is there.
    private func send(
        _ manifest: ServedManifest, to resource: KubeResource, until end: ContinuousClock.Instant
    ) async throws {
        let missing = min(end, ContinuousClock.now + .seconds(10))
        while true {
            do {
                try await client.patch(
                    resource, namespace: resource.isNamespaced ? manifest.namespace ?? "default" : nil,
                    name: manifest.name, .apply(fieldManager: Self.fieldManager, force: true),
                    KubeBody(octets: Array(manifest.text.utf8)), within: Self.left(until: end))
                return
            } catch KubeClientError.refused(let status) where status.isNotFound && status.isAboutNoObject {
                guard ContinuousClock.now < missing else { throw KubeClientError.refused(status) }
                // There is no event for what a server begins to serve.
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    /// The resource of a manifest. A definition that was just given is served after a moment.
    private func resource(
        of manifest: ServedManifest, _ action: String, until end: ContinuousClock.Instant
    ) async throws -> KubeResource {
        var known = try await client.discover(within: Self.left(until: end))
        var asked = 0
        while true {
            if let found = known.resource(apiVersion: manifest.apiVersion, kind: manifest.kind) {
                return found.resource
            }
            let isExpected = try await definitions(until: end).contains { $0 == "\(manifest.group) \(manifest.kind)" }
            guard asked == 0 || isExpected && ContinuousClock.now < end else {
                let reason = known.missing[manifest.apiVersion].map { ": \($0)" } ?? ""
                throw ObjectRefusal(
                    action, at: manifest.place,
                    "no matches for kind \"\(manifest.kind)\" in version \"\(manifest.apiVersion)\"\(reason)")
            }
            // There is no event for what a server describes.
            if asked > 0 { try await Task.sleep(for: .milliseconds(100)) }
            asked += 1
            known = try await client.discover(again: true, within: Self.left(until: end))
        }
    }

    /// Groups and kinds of the custom resources that the server has definitions of.
    private func definitions(until end: ContinuousClock.Instant) async throws -> [String] {
        try await client.list(
            .customResourceDefinitions, as: JSONValue.self, within: Self.left(until: end)
        ).items.compactMap { item in
            guard let group = item["spec"]?["group"]?.text, let kind = item["spec"]?["names"]?["kind"]?.text else {
                return nil
            }
            return "\(group) \(kind)"
        }
    }

    /// A pod is refused before its namespace has a service account. That it is not there is then the server's to say.
    private func waitForServiceAccount(of namespace: String, until end: ContinuousClock.Instant) async {
        let limit = min(end, ContinuousClock.now + .seconds(10))
        while ContinuousClock.now < limit, !Task.isCancelled {
            let account = try? await client.get(
                .serviceAccounts, namespace: namespace, name: "default", as: JSONValue.self, within: .seconds(5))
            if account != nil { return }
            // It is one object of a kind that is not followed.
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Deletes an object, and waits until it is gone. Another one that has its name by then, as the next pod of a
    /// stateful set has, or that the matrix calls so, is not waited for.
    ///
    /// - Throws: `ObjectRefusal`.
    public func delete(_ query: ObjectQuery, within limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        let action = "delete \(query.words)"
        do {
            let (resource, namespace, name) = try await place(of: query, until: end)
            let answer = try await client.delete(
                resource, namespace: namespace, name: name, propagation: "Background", within: Self.left(until: end))
            let uid = Self.uid(ofDeleted: try? answer.json())
            while true {
                let reading = await reading(of: resource, namespace, name, within: Self.left(until: end))
                if Self.isGone(reading, uid: uid) { return }
                guard ContinuousClock.now < end else {
                    if case .unread(let words) = reading { throw ObjectRefusal(action, words) }
                    throw ObjectRefusal(action, "it is still there after \(limit)")
                }
                // It is one object of any kind; most are gone by the first question.
                try await Task.sleep(for: .milliseconds(100))
            }
        } catch let refusal as ObjectRefusal {
            throw refusal
        } catch {
            try Task.checkCancellation()
            throw ObjectRefusal(action, error)
        }
    }

    /// The uid of what was deleted, by the server's answer: the object as it is while it ends, or a status. Nil if it
    /// says none.
    static func uid(ofDeleted answer: JSONValue?) -> String? {
        answer?["metadata"]?["uid"]?.text ?? answer?["details"]?["uid"]?.text
    }

    /// Whether an object is gone: there is none of its name, or one of another uid.
    static func isGone(_ reading: ObjectReading, uid: String?) -> Bool {
        switch reading {
        case .absent: true
        case .found(let object): uid != nil && object["metadata"]?["uid"]?.text != uid
        case .unread: false
        }
    }

    /// Changes the number of a workload's pods.
    ///
    /// - Throws: `ObjectRefusal`.
    public func scale(_ query: ObjectQuery, to replicas: Int, within limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        do {
            let (resource, namespace, name) = try await place(of: query, until: end)
            let served = try await client.discover(within: Self.left(until: end)).resources.first {
                $0.resource == resource
            }
            try await client.patch(
                resource, namespace: namespace, name: name,
                subresource: served?.subresources.contains("scale") == true ? "scale" : nil, .merge,
                KubeBody(.object(["spec": .object(["replicas": .integer(Int64(replicas))])])),
                within: Self.left(until: end))
        } catch {
            try Task.checkCancellation()
            if let refusal = error as? ObjectRefusal { throw refusal }
            throw ObjectRefusal("scale \(query.words)", error)
        }
    }

    /// Where an object is. A pod may be named as in the matrix.
    func place(
        of query: ObjectQuery, until end: ContinuousClock.Instant
    ) async throws -> (resource: KubeResource, namespace: String?, name: String) {
        for again in [false, true] {
            let known = try await client.discover(again: again, within: Self.left(until: end))
            let found = known.resources.first {
                $0.kind == query.kind && (query.apiVersion == nil || $0.resource.apiVersion == query.apiVersion)
            }
            guard let resource = found?.resource else { continue }
            guard resource.isNamespaced else {
                if let namespace = query.namespace {
                    throw ObjectRefusal(query.words, "a \(query.kind) is in no namespace, and not in \(namespace)")
                }
                return (resource, nil, query.name)
            }
            let namespace = query.namespace ?? "default"
            let pod =
                query.kind == "Pod" ? read { $0.names.pod(named: query.name, in: namespace) } : nil
            return (resource, namespace, pod?.name ?? query.name)
        }
        let version = query.apiVersion.map { " in version \"\($0)\"" } ?? ""
        throw ObjectRefusal(query.words, "the API server has no kind \"\(query.kind)\"\(version)")
    }

    static func left(until end: ContinuousClock.Instant) -> Duration {
        max(.milliseconds(100), min(.seconds(30), end - ContinuousClock.now))
    }
}

extension KubeStatus {
    /// Whether it is the path that the server does not know, and not an object.
    fileprivate var isAboutNoObject: Bool { details?.name.map(\.isEmpty) ?? true }
}

extension ServedManifest {
    /// What an object needs, goes before it.
    fileprivate var rank: Int {
        switch kind {
        case "CustomResourceDefinition": 0
        case "Namespace": 1
        case "PriorityClass", "RuntimeClass", "StorageClass", "ClusterRole", "Role": 2
        case "ServiceAccount", "ClusterRoleBinding", "RoleBinding", "Secret", "ConfigMap", "LimitRange",
            "ResourceQuota":
            3
        case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration": 5
        default: 4
        }
    }

    /// Whether admission looks for a service account: that of a pod, which is the only object that is refused without.
    fileprivate var needsServiceAccount: Bool { kind == "Pod" }
}
