import ControlPlane
import Files
import Foundation
import RunEvents

/// Counts what the API server of a lab was asked in a run, once its servers have ended.
struct APIRequests {
    /// The folder with the audit logs, which the table is written to, too.
    let folder: String
    let emitter: Emitter

    static let table = "api-requests.tsv"

    /// Writes the table and tells the counts. What fails is a warning, and changes no verdict.
    ///
    /// - Parameter start: When the run began. The folder may hold an earlier one's log.
    func tell(since start: Date) {
        do {
            let tally = try RequestTally(folder: folder, since: start)
            guard !tally.isEmpty else { return }
            try AtomicFile.write(tally.table, to: "\(folder)/\(Self.table)", mode: 0o644)
            emitter.emit(.apiRequests(APIRequestCounts(tally)))
        } catch {
            emitter.log(.warning, "artifacts", "requests to the API server were not counted: \(error)")
        }
    }
}

extension APIRequestCounts {
    /// Clients beyond the first ones by number of requests are one.
    private static let mostClients = 40

    init(_ tally: RequestTally) {
        struct Key: Hashable { var name, user: String }
        var verbs: [Key: [String: Int]] = [:]
        var refused: [Key: Int] = [:]
        for (kind, count) in tally.counts {
            let key = Key(name: kind.program, user: Self.common(kind.user))
            verbs[key, default: [:]][Self.told(kind.verb), default: 0] += count.requests
            refused[key, default: 0] += count.refused
        }
        var clients = verbs.map { key, counts in
            Client(
                name: key.name, user: key.user, addresses: tally.addresses[key.name]?.count ?? 0, verbs: counts,
                refused: refused[key] ?? 0)
        }.sorted { ($1.requests, $0.name, $0.user) < ($0.requests, $1.name, $1.user) }
        let rest = clients.dropFirst(Self.mostClients)
        if !rest.isEmpty {
            clients.removeLast(rest.count)
            clients.append(
                Client(
                    name: RequestTally.others, user: "", addresses: 0,
                    verbs: rest.reduce(into: [:]) { $0.merge($1.verbs, uniquingKeysWith: +) },
                    refused: rest.reduce(0) { $0 + $1.refused }))
        }
        self.init(clients: clients, unreadLines: tally.unread)
    }

    /// The kubelets of all nodes are one kind of client.
    private static func common(_ user: String) -> String {
        let node = "system:node:"
        return user.hasPrefix(node) ? node + "*" : user
    }

    /// The verb as the report has it.
    private static func told(_ verb: String) -> String {
        if verb == "deletecollection" { return "delete" }
        return verbs.contains(verb) ? verb : "other"
    }
}
