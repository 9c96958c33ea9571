import JSON

/// Requests for objects. All throw `KubeClientError`, `.refused` with the server's words for a status from 400 on.
extension KubeClient {
    public func get<Object: Decodable & Sendable>(
        _ resource: KubeResource, namespace: String? = nil, name: String, subresource: String? = nil,
        as type: Object.Type = Object.self, within limit: Duration
    ) async throws -> Object {
        let path = resource.path(namespace: namespace, name: name, subresource: subresource)
        return try await ask(KubeRequest(path: path), within: limit).decoded()
    }

    /// All objects, page by page. An object that is no `Object` is in `unreadable`.
    ///
    /// - Parameters:
    ///   - namespace: Nil means all namespaces.
    ///   - resourceVersion: Nil for the newest state. `0` takes what the server has at hand, in one page, which
    ///     costs it least.
    public func list<Object: Decodable & Sendable>(
        _ resource: KubeResource, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, resourceVersion: String? = nil, as type: Object.Type = Object.self,
        within limit: Duration
    ) async throws -> KubeList<Object> {
        try await list(
            resource, namespace: namespace, labelSelector: labelSelector, fieldSelector: fieldSelector,
            resourceVersion: resourceVersion, within: limit
        ) { try KubeCoding.decode($0, as: Object.self) }
    }

    /// The same with a reader of objects' JSON text.
    public func list<Object: Sendable>(
        _ resource: KubeResource, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, resourceVersion: String? = nil, within limit: Duration,
        read: @Sendable ([UInt8]) throws -> Object
    ) async throws -> KubeList<Object> {
        let request = KubeRequest(
            resource, namespace, labelSelector: labelSelector, fieldSelector: fieldSelector,
            resourceVersion.map { [("resourceVersion", $0)] } ?? [])
        // What the server has at hand it gives at once or not at all.
        return try await pages(
            request, limit: resourceVersion == "0" ? nil : limits.page, until: .now + limit, read: read)
    }

    /// Creates an object, or a subresource of the object `name`: `token` of a service account, `eviction` or `binding`
    /// of a pod.
    @discardableResult
    public func create(
        _ resource: KubeResource, namespace: String? = nil, name: String? = nil, subresource: String? = nil,
        _ object: KubeBody, within limit: Duration
    ) async throws -> KubeBody {
        let path = resource.path(namespace: namespace, name: name, subresource: subresource)
        return try await ask(
            KubeRequest(method: "POST", path: path, body: object.octets, contentType: "application/json"),
            within: limit)
    }

    /// Replaces an object. If `metadata.resourceVersion` is set and the object has changed since, it is a conflict.
    @discardableResult
    public func replace(
        _ resource: KubeResource, namespace: String? = nil, name: String, subresource: String? = nil,
        _ object: KubeBody, within limit: Duration
    ) async throws -> KubeBody {
        let path = resource.path(namespace: namespace, name: name, subresource: subresource)
        return try await ask(
            KubeRequest(method: "PUT", path: path, body: object.octets, contentType: "application/json"),
            within: limit)
    }

    @discardableResult
    public func patch(
        _ resource: KubeResource, namespace: String? = nil, name: String, subresource: String? = nil,
        _ kind: KubePatch, _ body: KubeBody, within limit: Duration
    ) async throws -> KubeBody {
        var request = KubeRequest(
            method: "PATCH", path: resource.path(namespace: namespace, name: name, subresource: subresource),
            body: body.octets)
        switch kind {
        case .merge: request.contentType = "application/merge-patch+json"
        case .strategicMerge: request.contentType = "application/strategic-merge-patch+json"
        case .json: request.contentType = "application/json-patch+json"
        case .apply(let manager, let force):
            // JSON is YAML, too.
            request.contentType = "application/apply-patch+yaml"
            request.query = [("fieldManager", manager), ("force", force ? "true" : "false")]
        }
        return try await ask(request, within: limit)
    }

    /// - Parameters:
    ///   - gracePeriod: Seconds until a pod is killed; nil for what the pod says.
    ///   - propagation: `Background`, `Foreground` or `Orphan`; nil for the resource's own.
    ///   - uid: The object must have this uid, or it is a conflict.
    ///   - resourceVersion: It must be as it was at this version, or it is a conflict.
    @discardableResult
    public func delete(
        _ resource: KubeResource, namespace: String? = nil, name: String, gracePeriod: Int? = nil,
        propagation: String? = nil, uid: String? = nil, resourceVersion: String? = nil, within limit: Duration
    ) async throws -> KubeBody {
        var options: [String: JSONValue] = ["apiVersion": .string("v1"), "kind": .string("DeleteOptions")]
        if let gracePeriod { options["gracePeriodSeconds"] = .integer(Int64(gracePeriod)) }
        if let propagation { options["propagationPolicy"] = .string(propagation) }
        let conditions = ["uid": uid, "resourceVersion": resourceVersion].compactMapValues { $0 }
        if !conditions.isEmpty { options["preconditions"] = .object(conditions.mapValues { .string($0) }) }
        return try await ask(
            KubeRequest(
                method: "DELETE", path: resource.path(namespace: namespace, name: name),
                body: KubeBody(.object(options)).octets, contentType: "application/json"),
            within: limit)
    }

    /// Sends a request and returns the body of an answer whose status is one of success.
    ///
    /// A server that has too much to do says when to ask again (`Retry-After`); that is done within the limit.
    public func ask(_ request: KubeRequest, within limit: Duration) async throws -> KubeBody {
        let deadline = ContinuousClock.now + limit
        while true {
            let response = try await send(request, within: deadline - .now)
            if (200..<300).contains(response.status) { return KubeBody(octets: response.body) }
            let refusal = KubeClientError.refused(KubeCoding.status(of: response))
            guard response.status == 429 || response.status >= 500,
                let seconds = response.header("Retry-After").flatMap({ Int($0) }), (0...3600).contains(seconds)
            else { throw refusal }
            let pause = Duration.seconds(max(1, seconds))
            guard pause < deadline - .now else { throw refusal }
            try await Task.sleep(for: pause)
        }
    }
}
