import JSON
import KubeClient
import KubeObjects
public import Observations
import ServedObjects

extension ServerStore {
    /// More events are not looked at.
    private static let mostEvents = 20_000

    /// Asks the server for an object.
    public func reading(of query: ObjectQuery, within limit: Duration) async -> ObjectReading {
        do {
            let (resource, namespace, name) = try await place(of: query, until: ContinuousClock.now + limit)
            return await reading(of: resource, namespace, name, within: limit)
        } catch let refusal as ObjectRefusal {
            return .unread(refusal.words)
        } catch {
            return .unread("\(error)")
        }
    }

    /// Asks the server for the object at a place.
    func reading(
        of resource: KubeResource, _ namespace: String?, _ name: String, within limit: Duration
    ) async -> ObjectReading {
        do {
            return .found(
                try await client.get(resource, namespace: namespace, name: name, as: JSONValue.self, within: limit))
        } catch let error as KubeClientError {
            return error.status?.isNotFound == true ? .absent : .unread("\(error)")
        } catch {
            return .unread("\(error)")
        }
    }

    /// How the watches stand to what the server has at this moment.
    enum Lag: Sendable, Equatable {
        case current, behind
        /// The server cannot be asked, with the reason.
        case unread(String)
    }

    /// Lists the kinds that agents are compared by at the server, in their newest state, and compares what the watches
    /// have told of them. Pods and Nodes change all the time, and are not among them.
    func lag(within limit: Duration) async -> Lag {
        do {
            guard try await isCurrent(.services, within: limit, { try ServedJSON.object($0) as Service }),
                try await isCurrent(.namespaces, within: limit, { try ServedJSON.object($0) as Namespace }),
                try await isCurrent(.networkPolicies, within: limit, { try ServedJSON.object($0) as NetworkPolicy }),
                try await isCurrent(
                    .ciliumNetworkPolicies, within: limit, { try ServedJSON.object($0) as CiliumNetworkPolicy })
            else { return .behind }
            let versions = [KubeResource.endpointSlices, .endpointSlicesBeta]
            if let slices = try await client.firstServed(of: versions, within: limit) {
                guard try await isCurrent(slices, within: limit, { try ServedJSON.slice($0) }) else { return .behind }
            }
            return .current
        } catch {
            return .unread("\(error)")
        }
    }

    private func isCurrent<Object: KubeObject>(
        _ resource: KubeResource, within limit: Duration, _ read: @escaping @Sendable ([UInt8]) throws -> Object
    ) async throws -> Bool {
        let list = try await client.list(resource, within: limit, read: read)
        // An object that cannot be read is known as it was before.
        let unreadable = Set(list.unreadable.map { ObjectKey(namespace: $0.namespace, name: $0.name) })
        let served = Dictionary(list.items.map { ($0.key, $0) }) { $1 }
        let known = self.read { state in state.objects[keyPath: Object.table] }.filter { !unreadable.contains($0.key) }
        return known == served
    }

    /// Asks the server for all its events.
    public func events(within limit: Duration) async -> ServedEvents {
        do {
            let list = try await client.list(.events, within: limit) { octets in
                Self.event(try JSONText.value(of: octets))
            }
            let events = list.items.prefix(Self.mostEvents).compactMap { event -> ServedEvent? in
                guard var event else { return nil }
                if event.kind == "Pod" {
                    event.podID = name(ofPod: ObjectKey(namespace: event.namespace, name: event.name))
                }
                return event
            }
            let unread = list.unreadable.first.map { "an event cannot be read: \($0)" }
            let gap = list.items.count > Self.mostEvents ? "more than \(Self.mostEvents) events" : unread
            return ServedEvents(events: events, gap: gap)
        } catch {
            return ServedEvents(events: [], gap: "\(error)")
        }
    }

    static func event(_ value: JSONValue) -> ServedEvent? {
        guard let metadata = value["metadata"], let uid = metadata["uid"]?.text else { return nil }
        let about = value["involvedObject"]
        let series = value["series"]?["count"]?.integerValue
        let count = series ?? value["count"]?.integerValue ?? 1
        return ServedEvent(
            uid: uid, type: value["type"]?.text ?? "", reason: value["reason"]?.text ?? "",
            message: value["message"]?.text ?? "", count: Int(clamping: max(1, count)),
            kind: about?["kind"]?.text ?? "", namespace: about?["namespace"]?.text ?? "",
            name: about?["name"]?.text ?? "")
    }
}
