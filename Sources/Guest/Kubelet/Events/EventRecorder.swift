import JSON

/// What an event is about.
struct EventSubject: Sendable, Hashable {
    var kind: String
    var namespace: String
    var name: String
    var uid: String
    /// `spec.containers{web}`
    var fieldPath: String?

    static func node(_ name: String) -> EventSubject {
        EventSubject(kind: "Node", namespace: "", name: name, uid: name, fieldPath: nil)
    }
    static func pod(_ pod: PodIdentity, container: String? = nil, isInit: Bool = false) -> EventSubject {
        EventSubject(
            kind: "Pod", namespace: pod.namespace, name: pod.name, uid: pod.uid,
            fieldPath: container.map { "spec.\(isInit ? "initContainers" : "containers"){\($0)}" })
    }
}

enum EventType: String, Sendable { case normal = "Normal", warning = "Warning" }

/// Makes event objects, and holds them back as client-go's `EventCorrelator` does: equal ones are counted, many similar
/// ones become one, and one object has at most 25 at once and one in five minutes after that.
struct EventRecorder: Sendable {
    static let burst = 25.0
    static let refill = Duration.seconds(300)
    static let similarLimit = 10
    static let similarInterval = Duration.seconds(600)
    static let combinedPrefix = "(combined from similar events): "
    /// How many keys each of the tables keeps.
    static let tableLimit = 4096
    /// How many bytes of a message are kept, as the API server would.
    static let messageLimit = 1024

    private struct SimilarKey: Hashable { let subject: EventSubject, type: EventType, reason: String }
    private struct Similar {
        var messages: Set<String>
        var last: Duration
    }
    private struct ObservedKey: Hashable { let similar: SimilarKey, message: String? }
    private struct Observed {
        var name: String
        var first: Int64
        var count: Int
        var last: Duration
    }
    private struct Bucket {
        var tokens: Double
        var last: Duration
    }

    private let nodeName: String
    private var similar: [SimilarKey: Similar] = [:]
    private var observed: [ObservedKey: Observed] = [:]
    private var buckets: [EventSubject: Bucket] = [:]
    private var serial: Int64 = 0

    init(nodeName: String) { self.nodeName = nodeName }

    /// The event to write; nil if it is held back.
    mutating func record(
        _ subject: EventSubject, _ type: EventType, _ reason: String, _ message: String,
        annotations: [String: String] = [:], at now: KubeletTime
    ) -> EventRecord? {
        let time = now.monotonic
        let message = Self.shortened(message)
        let key = SimilarKey(subject: subject, type: type, reason: reason)
        var record = similar[key] ?? Similar(messages: [], last: time)
        if time - record.last > Self.similarInterval { record = Similar(messages: [], last: time) }
        record.messages.insert(message)
        record.last = time
        let isCombined = record.messages.count >= Self.similarLimit
        if isCombined { record.messages.remove(message) }
        similar[key] = record

        let text = isCombined ? Self.combinedPrefix + message : message
        let observedKey = ObservedKey(similar: key, message: isCombined ? nil : message)
        let isRepeated = observed[observedKey] != nil
        serial += 1
        var observation =
            observed[observedKey]
            ?? Observed(
                name: "\(subject.name).\(String((now.unixMicroseconds &* 1000 &+ serial % 1000).magnitude, radix: 16))",
                first: now.unixMicroseconds, count: 0, last: time)
        observation.count += 1
        observation.last = time
        observed[observedKey] = observation
        defer { bound() }

        var spam = subject
        spam.fieldPath = nil
        var bucket = buckets[spam] ?? Bucket(tokens: Self.burst, last: time)
        bucket.tokens = min(Self.burst, bucket.tokens + (time - bucket.last) / Self.refill)
        bucket.last = time
        defer { buckets[spam] = bucket }
        guard bucket.tokens >= 1 else { return nil }
        bucket.tokens -= 1
        return event(subject, type, reason, text, annotations, observation, isRepeated: isRepeated, now)
    }

    private func event(
        _ subject: EventSubject, _ type: EventType, _ reason: String, _ message: String,
        _ annotations: [String: String], _ observation: Observed, isRepeated: Bool, _ now: KubeletTime
    ) -> EventRecord {
        let namespace = subject.namespace.isEmpty ? "default" : subject.namespace
        var involved: [String: JSONValue] = [
            "kind": .string(subject.kind), "name": .string(subject.name), "uid": .string(subject.uid),
        ]
        if subject.kind == "Pod" {
            involved["namespace"] = .string(subject.namespace)
            involved["apiVersion"] = .string("v1")
        }
        if let path = subject.fieldPath { involved["fieldPath"] = .string(path) }
        var metadata: [String: JSONValue] = ["name": .string(observation.name), "namespace": .string(namespace)]
        if !annotations.isEmpty { metadata["annotations"] = .object(annotations.mapValues(JSONValue.string)) }
        let object: JSONValue = .object([
            "apiVersion": .string("v1"), "kind": .string("Event"), "metadata": .object(metadata),
            "involvedObject": .object(involved), "reason": .string(reason), "message": .string(message),
            "source": .object(["component": .string("kubelet"), "host": .string(nodeName)]),
            "firstTimestamp": .string(Timestamp.seconds(observation.first)), "lastTimestamp": .string(now.timestamp),
            "count": .integer(Int64(observation.count)), "type": .string(type.rawValue),
            "reportingComponent": .string(""), "reportingInstance": .string(""), "eventTime": .null,
        ])
        return EventRecord(
            namespace: namespace, name: observation.name, isRepeated: isRepeated, type: type.rawValue, reason: reason,
            message: message, count: observation.count, object: object)
    }

    private static func shortened(_ message: String) -> String {
        guard message.utf8.count > messageLimit else { return message }
        var length = 0
        return String(
            message.prefix { character in
                length += character.utf8.count
                return length <= messageLimit
            })
    }

    /// Forgets the oldest half of a table that has become too large.
    private mutating func bound() {
        if similar.count > Self.tableLimit {
            let limit = similar.values.map(\.last).sorted()[similar.count / 2]
            similar = similar.filter { $0.value.last > limit }
        }
        if observed.count > Self.tableLimit {
            let limit = observed.values.map(\.last).sorted()[observed.count / 2]
            observed = observed.filter { $0.value.last > limit }
        }
        if buckets.count > Self.tableLimit {
            let limit = buckets.values.map(\.last).sorted()[buckets.count / 2]
            buckets = buckets.filter { $0.value.last > limit }
        }
    }
}
