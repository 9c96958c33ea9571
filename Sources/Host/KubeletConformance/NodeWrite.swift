import JSON

/// What a node's kubelet wrote to the API server: a line of the audit log.
struct NodeWrite: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// A strategic merge patch of a pod's status.
        case podStatus
        /// The same of the node's.
        case nodeStatus
        /// A new event, or a patch of one.
        case event
    }

    var kind: Kind
    /// Empty for a node.
    var namespace: String
    var name: String
    var body: JSONValue

    /// Lines are short; a longer one is no line of a kubelet's writes.
    private static let longestLine = 1 << 20

    /// - Returns: Nil for other requests, for refused ones, and for what is no line of an audit log.
    init?(auditLine line: some Collection<UInt8>) {
        guard !line.isEmpty, line.count <= Self.longestLine,
            let record = try? JSONText.value(of: Array(line)), let object = record["objectRef"],
            let body = record["requestObject"], body.members != nil,
            record["user"]?["username"]?.text?.hasPrefix("system:node:") == true,
            let code = record["responseStatus"]?["code"]?.integerValue, (200..<300).contains(code)
        else { return nil }
        let verb = record["verb"]?.text ?? ""
        switch (object["resource"]?.text, object["subresource"]?.text, verb) {
        case ("pods", "status", "patch"): kind = .podStatus
        case ("nodes", "status", "patch"): kind = .nodeStatus
        case ("events", nil, "create"), ("events", nil, "patch"): kind = .event
        default: return nil
        }
        namespace = object["namespace"]?.text ?? ""
        name = object["name"]?.text ?? body["metadata"]?["name"]?.text ?? ""
        self.body = body
    }

    /// All writes of an audit log, in its order.
    static func all(in log: [UInt8]) -> [NodeWrite] {
        log.split(separator: 10).compactMap { NodeWrite(auditLine: $0) }
    }
}
