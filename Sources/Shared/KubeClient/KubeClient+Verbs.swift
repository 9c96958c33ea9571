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
    ///   - resourceVersion: Nil for the newest state. `0` takes what the server has at hand, in one page, which costs it
    ///     least.
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
        throw KubeClientError.unreachable("not written yet")
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
    @discardableResult
    public func delete(
        _ resource: KubeResource, namespace: String? = nil, name: String, gracePeriod: Int? = nil,
        propagation: String? = nil, uid: String? = nil, within limit: Duration
    ) async throws -> KubeBody {
        var options: [String: JSONValue] = ["apiVersion": .string("v1"), "kind": .string("DeleteOptions")]
        if let gracePeriod { options["gracePeriodSeconds"] = .integer(Int64(gracePeriod)) }
        if let propagation { options["propagationPolicy"] = .string(propagation) }
        if let uid { options["preconditions"] = .object(["uid": .string(uid)]) }
        return try await ask(
            KubeRequest(
                method: "DELETE", path: resource.path(namespace: namespace, name: name),
                body: KubeBody(.object(options)).octets, contentType: "application/json"),
            within: limit)
    }

    /// Sends a request and returns the body of an answer whose status is one of success.
    public func ask(_ request: KubeRequest, within limit: Duration) async throws -> KubeBody {
        let response = try await send(request, within: limit)
        guard (200..<300).contains(response.status) else {
            throw KubeClientError.refused(KubeCoding.status(of: response))
        }
        return KubeBody(octets: response.body)
    }
}

extension KubeClient {
    /// Yields what happens to the objects of a resource after a version. The stream ends when the server ends the watch
    /// after its time; go on from the last event's resource version. It throws `KubeClientError`: `.refused` with code
    /// 410 if the version is too old, `.unreachable` if the connection was lost.
    ///
    /// Nothing is read ahead beyond `KubeClientLimits.unreadEvents`. A stream that is dropped or cancelled ends its
    /// connection.
    ///
    /// - Parameters:
    ///   - resourceVersion: That of a list or of an event.
    ///   - seconds: How long the server lets the watch last.
    ///   - limit: How long the server may take to begin.
    public func watch(
        _ resource: KubeResource, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, from resourceVersion: String, seconds: Int = 300,
        within limit: Duration = .seconds(10)
    ) -> AsyncThrowingStream<WatchEvent, any Error> {
        AsyncThrowingStream { throw KubeClientError.unreachable("not written yet") }
    }

    /// Asks for everything that the server serves. The answer is kept; `again` asks anew.
    public func discover(again: Bool = false, within limit: Duration = .seconds(10)) async throws -> KubeDiscovery {
        throw KubeClientError.unreachable("not written yet")
    }

    /// Returns the first of some resources that the server serves, nil if it serves none of them. It asks for the
    /// groups of these only.
    public func firstServed(
        of candidates: [KubeResource], within limit: Duration = .seconds(10)
    ) async throws -> KubeResource? {
        throw KubeClientError.unreachable("not written yet")
    }
}
