import JSON
import KubeClient
import ServerProgram
import Synchronization

/// All objects of a resource as the API server had them last.
final class WatchedObjects<Object: Sendable>: Sendable {
    private struct State {
        var objects: [String: Object] = [:]
        var isListed = false
    }
    private let state = Mutex(State())
    private let reflector: Reflector<Object>
    private let resource: KubeResource
    private let key: @Sendable (Object) -> ObjectName

    init(
        _ client: KubeClient, _ resource: KubeResource, key: @escaping @Sendable (Object) -> ObjectName,
        read: @escaping @Sendable (JSONValue) throws -> Object
    ) {
        self.resource = resource
        self.key = key
        reflector = Reflector(client, resource) { try read(try JSONText.value(of: $0)) }
    }

    /// The objects; nil before they were listed for the first time.
    var all: [Object]? { state.withLock { $0.isListed ? Array($0.objects.values) : nil } }

    /// Follows the API server until the task is cancelled.
    func follow(_ changed: @Sendable () -> Void) async {
        for await update in reflector.updates() {
            switch update {
            case .listed(let objects):
                let keyed = Dictionary(objects.map { (key($0).description, $0) }) { _, last in last }
                state.withLock { $0 = State(objects: keyed, isListed: true) }
            case .added(let object), .modified(let object):
                state.withLock { $0.objects[key(object).description] = object }
            case .deleted(let object): state.withLock { $0.objects[key(object).description] = nil }
            case .unreadable(let what): log("\(resource) \(what)")
            case .disconnected(let reason): log("\(resource) cannot be followed: \(reason)")
            case .connected: continue
            }
            changed()
        }
    }
}
