import JSON

/// What a node says at a service's `healthCheckNodePort`: how many of the service's pods it has itself. A load balancer
/// sends calls to nodes with one only, since the others take none (`externalTrafficPolicy: Local`).
public struct ServiceHealth: Sendable, Hashable {
    public var namespace: String
    public var name: String
    public var localEndpoints: Int

    public init(namespace: String, name: String, localEndpoints: Int) {
        self.namespace = namespace
        self.name = name
        self.localEndpoints = localEndpoints
    }

    /// The HTTP status: 200, or 503 if the node has none.
    public var status: Int { localEndpoints > 0 ? 200 : 503 }

    /// The body, in kube-proxy's shape.
    public var document: String {
        JSONValue.object([
            "service": .object(["namespace": .string(namespace), "name": .string(name)]),
            "localEndpoints": .integer(Int64(localEndpoints)),
        ]).canonicalText
    }
}
