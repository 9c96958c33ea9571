import JSON

/// A condition of an object's status, as a controller means it.
struct ObjectCondition: Sendable, Hashable {
    var type: String
    var isTrue: Bool
    var reason: String
    var message: String

    init(_ type: String, _ isTrue: Bool, _ reason: String, _ message: String) {
        self.type = type
        self.isTrue = isTrue
        self.reason = reason
        self.message = String(message.prefix(1024))
    }

    /// As it is written.
    ///
    /// - Parameters:
    ///   - generation: The generation of the object that was looked at.
    ///   - present: The conditions that the status has. The time of a condition whose status stays is kept.
    ///   - time: `2026-01-31T12:00:00Z`
    func json(generation: Int64, present: [JSONValue], time: String) -> JSONValue {
        let status = isTrue ? "True" : "False"
        let old = present.first { $0.at("type")?.text == type }
        let since = old?.at("status")?.text == status ? old?.at("lastTransitionTime")?.text : nil
        return .object([
            "type": .string(type), "status": .string(status), "reason": .string(reason), "message": .string(message),
            "observedGeneration": .integer(generation), "lastTransitionTime": .string(since ?? time),
        ])
    }
}

extension [ObjectCondition] {
    func json(generation: Int64, present: [JSONValue], time: String) -> JSONValue {
        .array(map { $0.json(generation: generation, present: present, time: time) })
    }
}

/// What of an object's metadata a gateway controller looks at.
struct ObjectVersion: Sendable, Hashable {
    var generation: Int64
    /// `2026-01-31T12:00:00Z`
    var created: String
    var isTerminating: Bool

    init(_ object: JSONValue) {
        generation = object.at("metadata", "generation")?.integerValue ?? 0
        created = object.at("metadata", "creationTimestamp")?.text ?? ""
        isTerminating = object.at("metadata", "deletionTimestamp") != nil
    }
}
