/// How many requests the API server had, by who asked for what: counted from its audit log, each request once.
///
/// A request's path, query and body do not come into it.
public struct RequestTally: Sendable, Equatable {
    /// Who asked how for what.
    public struct Kind: Sendable, Hashable, Comparable {
        /// What the client calls itself: `kubelet`, `kubectl`; its user if it says nothing.
        public var program: String
        /// The name that RBAC knows: `system:node:node1`.
        public var user: String
        public var verb: String
        /// `pods`, `pods/status`, `deployments.apps`, `/openapi`.
        public var resource: String

        public static func < (left: Kind, right: Kind) -> Bool {
            (left.program, left.user, left.verb, left.resource)
                < (right.program, right.user, right.verb, right.resource)
        }
    }

    public struct Count: Sendable, Equatable {
        public var requests = 0
        /// Of these, the ones that were answered with a status from 400 on.
        public var refused = 0
    }

    public private(set) var counts: [Kind: Count] = [:]
    /// The addresses that each program's requests came from.
    public private(set) var addresses: [String: Set<String>] = [:]
    /// When the first and the last of the counted requests came, as the log has it; empty without any.
    public private(set) var first = ""
    public private(set) var last = ""
    /// Lines that are none of an audit log, or were cut off.
    public private(set) var unread = 0

    /// Requests that came before this time are left out; nil: none is.
    private let since: String?
    /// How many requests with an identifier were counted when they started and have not ended. A client may choose
    /// identifiers itself, and so give several requests the same.
    private var running: [String: Int] = [:]

    /// More kinds, addresses of a program and running requests are not told apart.
    private static let mostKinds = 4_000
    private static let mostAddresses = 256
    private static let mostRunning = 50_000
    /// The name of everything beyond ``mostKinds``.
    public static let others = "others"

    /// - Parameter since: A time in the log's own form, to the second: `2026-11-30T12:46:02`.
    public init(since: String? = nil) { self.since = since }

    public var isEmpty: Bool { counts.isEmpty }

    /// Takes a line without its end.
    mutating func take(line: some Collection<UInt8>) {
        guard !line.isEmpty else { return }
        guard let request = AuditedRequest(line: line) else {
            unread += 1
            return
        }
        if let since, request.received < since { return }
        guard isNew(request) else { return }
        count(request)
    }

    /// Whether the line is the first of its request. The end of one whose start is in no line that was taken is.
    private mutating func isNew(_ request: AuditedRequest) -> Bool {
        switch request.stage {
        case .received: return false
        case .started:
            guard running.count < Self.mostRunning || running[request.identifier] != nil else { return false }
            running[request.identifier, default: 0] += 1
            return true
        case .ended:
            guard let open = running[request.identifier] else { return true }
            running[request.identifier] = open > 1 ? open - 1 : nil
            return false
        }
    }

    private mutating func count(_ request: AuditedRequest) {
        let program = request.program.isEmpty ? request.user : request.program
        var kind = Kind(program: program, user: request.user, verb: request.verb, resource: request.resource)
        if counts[kind] == nil, counts.count >= Self.mostKinds {
            kind = Kind(program: Self.others, user: "", verb: request.verb, resource: "")
            // Verbs are any text, too.
            if counts[kind] == nil, counts.count >= 2 * Self.mostKinds { kind.verb = Self.others }
        }
        counts[kind, default: Count()].requests += 1
        if request.code ?? 0 >= 400 { counts[kind]?.refused += 1 }
        if addresses[kind.program, default: []].count < Self.mostAddresses {
            addresses[kind.program, default: []].insert(request.address)
        }
        if first.isEmpty || request.received < first { first = request.received }
        if request.received > last { last = request.received }
    }
}

extension RequestTally {
    /// The counts as a table of tab-separated values, with a row of names first.
    public var table: String {
        let rows = counts.sorted { $0.key < $1.key }.map { kind, count in
            [kind.program, kind.user, kind.verb, kind.resource, "\(count.requests)", "\(count.refused)"]
        }
        return ([["client", "user", "verb", "resource", "requests", "refused"]] + rows)
            .map { $0.joined(separator: "\t") + "\n" }.joined()
    }
}
