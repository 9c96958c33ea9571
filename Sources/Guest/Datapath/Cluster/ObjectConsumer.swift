import KubeObjects

/// A part of the datapath that follows objects of the cluster: a file of its own, and a line in `all`.
///
/// It is called with the lock held: once at start with everything, before programs are attached, and then after every
/// change with the keys that changed. What the objects are now it reads from `core.objects`.
struct ObjectConsumer: Sendable {
    /// For messages: `services`.
    let name: String
    let kinds: Set<ObjectKind>
    let reconcile: @Sendable (inout AgentCore, ObjectDelta) throws -> Void

    /// In the order in which they are called.
    static let all: [ObjectConsumer] = [services, policies, bandwidth]
}

extension AgentCore {
    /// Calls the consumers of what changed. One that fails keeps no other from its turn; its error stays in the status
    /// until it succeeds, and it then gets what it missed, too.
    mutating func reconcileObjects(_ delta: ObjectDelta, consumers: [ObjectConsumer] = ObjectConsumer.all) {
        for consumer in consumers {
            let missed = missedObjects[consumer.name]
            guard delta.touches(consumer.kinds) || missed != nil else { continue }
            let due = missed.map(delta.union) ?? delta
            do {
                try consumer.reconcile(&self, due)
                missedObjects[consumer.name] = nil
                objectProblems[consumer.name] = nil
            } catch {
                Log.error("objects not taken over", ["by": consumer.name, "error": "\(error)"])
                missedObjects[consumer.name] = due
                objectProblems[consumer.name] = "\(error)"
            }
        }
    }
}
