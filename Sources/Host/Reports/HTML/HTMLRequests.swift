import Foundation
import RunEvents

/// The table of the requests to the API server: a row for each client, a column for each verb that was used.
struct HTMLRequests {
    let counts: APIRequestCounts

    init(_ counts: APIRequestCounts) { self.counts = counts }

    var context: [String: Any] {
        let verbs = APIRequestCounts.verbs.filter { counts.count(of: $0) > 0 }
        let all = counts.clients.reduce(0) { $0 + $1.requests }
        var summary =
            "\(all) requests, \(counts.count(of: "list")) of them lists and \(counts.count(of: "watch")) watches, each "
            + "counted once. Questions for health and heartbeats are not in the audit log."
        if counts.unreadLines > 0 { summary += " \(counts.unreadLines) lines of it could not be read." }
        return [
            "requestVerbs": verbs, "requestSummary": summary,
            "requestClients": counts.clients.map { client in
                [
                    "client": client.name, "user": client.user,
                    "addresses": client.addresses > 0 ? String(client.addresses) : "",
                    "counts": verbs.map { verb in client.count(of: verb) > 0 ? String(client.count(of: verb)) : "" },
                    "total": String(client.requests), "refused": client.refused > 0 ? String(client.refused) : "",
                ]
            },
        ]
    }
}
