public import JSON

/// An event that a controller writes about an object.
public struct ControllerEvent: Sendable, Hashable {
    /// What an event is about.
    public struct Subject: Sendable, Hashable {
        public var apiVersion: String
        public var kind: String
        public var name: ObjectName

        public static func pod(_ name: ObjectName) -> Subject { Subject(apiVersion: "v1", kind: "Pod", name: name) }
        public static func node(_ name: ObjectName) -> Subject { Subject(apiVersion: "v1", kind: "Node", name: name) }
        public static func service(_ name: ObjectName) -> Subject {
            Subject(apiVersion: "v1", kind: "Service", name: name)
        }
        public static func claim(_ name: ObjectName) -> Subject {
            Subject(apiVersion: "karpenter.sh/v1", kind: "NodeClaim", name: name)
        }
    }
    public var subject: Subject
    /// `Normal` or `Warning`
    public var type: String
    public var reason: String
    public var message: String

    public static func normal(_ subject: Subject, _ reason: String, _ message: String) -> ControllerEvent {
        ControllerEvent(subject: subject, type: "Normal", reason: reason, message: message)
    }
    public static func warning(_ subject: Subject, _ reason: String, _ message: String) -> ControllerEvent {
        ControllerEvent(subject: subject, type: "Warning", reason: reason, message: message)
    }

    /// Octets of a message that an API server takes.
    private static let longestMessage = 1024

    /// The object of the API.
    ///
    /// - Parameters:
    ///   - component: Who writes it, such as `karpenter`.
    ///   - time: `2026-01-31T12:00:00Z`
    ///   - serial: Makes the object's name unique.
    public func object(component: String, time: String, serial: String) -> JSONValue {
        let namespace = subject.name.namespace.isEmpty ? "default" : subject.name.namespace
        var involved: [String: JSONValue] = [
            "apiVersion": .string(subject.apiVersion), "kind": .string(subject.kind),
            "name": .string(subject.name.name), "uid": .string(subject.name.uid),
        ]
        if !subject.name.namespace.isEmpty { involved["namespace"] = .string(subject.name.namespace) }
        var text = message
        while text.utf8.count > Self.longestMessage { text.removeLast(max(1, (text.utf8.count - 1024) / 4)) }
        return .object([
            "apiVersion": .string("v1"), "kind": .string("Event"),
            "metadata": .object([
                "name": .string("\(subject.name.name).\(serial)"), "namespace": .string(namespace),
            ]), "involvedObject": .object(involved), "reason": .string(reason), "message": .string(text),
            "source": .object(["component": .string(component)]), "firstTimestamp": .string(time),
            "lastTimestamp": .string(time), "count": .integer(1), "type": .string(type),
            "reportingComponent": .string(""), "reportingInstance": .string(""), "eventTime": .null,
        ])
    }
}

/// Which events were written not long ago, so that a loop does not say the same again and again.
struct EventMemory {
    /// Karpenter says the same again after some two minutes at the earliest.
    static let pause = Duration.seconds(120)
    static let mostEvents = 4096
    private var written: [ControllerEvent: Duration] = [:]

    /// Those of some events that are to be written now.
    mutating func fresh(_ events: [ControllerEvent], at now: Duration) -> [ControllerEvent] {
        if written.count > Self.mostEvents { written = written.filter { now - $0.value < Self.pause } }
        // More than that in two minutes are said once more rather than kept.
        if written.count > Self.mostEvents { written = [:] }
        return events.filter { event in
            if let last = written[event], now - last < Self.pause { return false }
            written[event] = now
            return true
        }
    }
}
