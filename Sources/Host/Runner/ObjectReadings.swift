import Lab
import Observations

extension EvidenceCollector {
    /// How long the API server may take for an answer.
    private static let patience = Duration.seconds(10)

    /// Asks the API server for objects.
    func objects(_ queries: [ObjectQuery]) async -> [ObjectQuery: ObjectReading] {
        await withTaskGroup(of: (ObjectQuery, ObjectReading).self) { group in
            for query in queries {
                group.addTask {
                    guard let server = cluster.server else { return (query, .unread("the lab has no control plane")) }
                    return (query, await server.reading(of: query, within: Self.patience))
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    /// Asks the API server for its events.
    func events() async -> ServedEvents {
        guard let server = cluster.server else {
            return ServedEvents(events: [], gap: "the lab has no control plane")
        }
        return await server.events(within: Self.patience)
    }

    /// The last warning about each pod, by the pod's own namespace and name.
    func warnings() async -> [String: String] {
        guard cluster.server != nil else { return [:] }
        return await events().events.reduce(into: [:]) { all, event in
            guard event.kind == "Pod", event.type == "Warning" else { return }
            all["\(event.namespace)/\(event.name)"] = "\(event.reason): \(event.message)"
        }
    }
}
