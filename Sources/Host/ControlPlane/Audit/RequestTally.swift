/// How many requests the API server had, by who asked for what: counted from its audit log, each request once.
///
/// A request's path, query and body do not come into it.
public struct RequestTally: Sendable {
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
    /// How many requests with an identifier were counted and have not ended: those that only came, and those whose
    /// answer has begun. A client may choose identifiers itself, and so give several requests the same.
    private var running: [String: (received: Int, started: Int)] = [:]

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
        let kind = kind(of: request)
        switch step(request) {
        case .new:
            counts[kind, default: Count()].requests += 1
            if request.code ?? 0 >= 400 { counts[kind]?.refused += 1 }
            note(request, of: kind)
        // When it came, nobody knew the answer.
        case .answered: if request.code ?? 0 >= 400 { counts[kind]?.refused += 1 }
        case .known: break
        }
    }

    private enum Step { case new, answered, known }

    /// What a line is of its request: the first, the first one with an answer, or another. Of a request whose earlier
    /// lines are in no log that was taken, the last is the first.
    private mutating func step(_ request: AuditedRequest) -> Step {
        var open = running[request.identifier] ?? (received: 0, started: 0)
        defer { running[request.identifier] = open == (0, 0) ? nil : open }
        let hasRoom = running.count < Self.mostRunning || open != (0, 0)
        switch request.stage {
        case .received:
            guard hasRoom else { return .known }
            open.received += 1
            return .new
        case .started where open.received > 0:
            (open.received, open.started) = (open.received - 1, open.started + 1)
            return .answered
        case .started:
            guard hasRoom else { return .known }
            open.started += 1
            return .new
        case .ended where open.started > 0:
            open.started -= 1
            return .known
        case .ended where open.received > 0:
            open.received -= 1
            return .answered
        case .ended: return .new
        }
    }

    private func kind(of request: AuditedRequest) -> Kind {
        let program = request.program.isEmpty ? request.user : request.program
        var kind = Kind(program: program, user: request.user, verb: request.verb, resource: request.resource)
        if counts[kind] == nil, counts.count >= Self.mostKinds {
            kind = Kind(program: Self.others, user: "", verb: request.verb, resource: "")
            // Verbs are any text, too.
            if counts[kind] == nil, counts.count >= 2 * Self.mostKinds { kind.verb = Self.others }
        }
        return kind
    }

    private mutating func note(_ request: AuditedRequest, of kind: Kind) {
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
