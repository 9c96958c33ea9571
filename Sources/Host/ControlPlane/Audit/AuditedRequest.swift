import JSON

/// One line of the API server's audit log: a stage of one request, without what it carried.
///
/// Source: the type `Event` of `audit.k8s.io/v1` in Kubernetes' `staging/src/k8s.io/apiserver/pkg/apis/audit/v1`.
struct AuditedRequest: Sendable, Equatable {
    /// The server logs a request at its end. One that runs for long is logged when the answer begins, too, or when that
    /// is known to have begun, and one of which the policy wants it is logged when it comes.
    enum Stage: Sendable, Equatable { case received, started, ended }

    /// The same in all lines of a request.
    var identifier: String
    var stage: Stage
    var verb: String
    /// The name that RBAC knows: `system:node:node1`.
    var user: String
    /// What the client calls itself, up to the first slash: `kubelet`, `kubectl`. Empty if it says nothing.
    var program: String
    /// Where the request came from.
    var address: String
    /// `pods`, `pods/status`, `deployments.apps`, or the first part of a path that is no resource's: `/openapi`.
    var resource: String
    /// The status of the answer; nil if the line tells none.
    var code: Int?
    /// When the request came, as the line has it: `2026-11-30T12:46:02.860019Z`.
    var received: String

    /// A line holds a body that the API server took, which is at most 3 MiB, or is none of an audit log.
    static let longestLine = 4 << 20

    /// - Returns: Nil for what is no line of an audit log.
    init?(line: some Collection<UInt8>) {
        guard line.count <= Self.longestLine, let record = try? JSONText.value(of: line),
            let identifier = record["auditID"]?.text, !identifier.isEmpty, let verb = record["verb"]?.text,
            !verb.isEmpty, let received = record["requestReceivedTimestamp"]?.text, !received.isEmpty
        else { return nil }
        switch record["stage"]?.text {
        case "RequestReceived": stage = .received
        case "ResponseStarted": stage = .started
        case "ResponseComplete", "Panic": stage = .ended
        default: return nil
        }
        self.identifier = Self.word(identifier)
        self.verb = Self.word(verb)
        user = Self.word(record["user"]?["username"]?.text ?? "")
        program = Self.word((record["userAgent"]?.text ?? "").prefix { $0 != "/" && $0 != " " })
        address = Self.word(record["sourceIPs"]?.elements?.first?.text ?? "")
        code = record["responseStatus"]?["code"]?.integerValue.map { Int(clamping: $0) }
        self.received = Self.word(received)
        resource = Self.resource(record["objectRef"], path: record["requestURI"]?.text ?? "")
    }

    private static func resource(_ object: JSONValue?, path: String) -> String {
        guard let plural = object?["resource"]?.text, !plural.isEmpty else {
            // Not more: what comes after it is any text, and the query may name what is nobody's business.
            let first = path.split(separator: "/", maxSplits: 1).first?.prefix { $0 != "?" && $0 != "/" } ?? ""
            return "/" + word(first)
        }
        let group = object?["apiGroup"]?.text ?? ""
        let part = object?["subresource"]?.text ?? ""
        return word(plural) + (group.isEmpty ? "" : "." + word(group)) + (part.isEmpty ? "" : "/" + word(part))
    }

    /// A text of a client as a word of a table: short, printable ASCII.
    private static func word(_ text: some StringProtocol) -> String {
        let octets = text.utf8.prefix(longestWord).map { (0x21...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
        return String(decoding: octets, as: UTF8.self)
    }

    private static let longestWord = 128
}
