import Observations
import PlainText
import RunEvents
import ScenarioReading
import Shapes

/// Events that the API server has of the step.
package struct EventExpectation: Codable, Sendable, Hashable {
    /// The object that the event is about. Every given part must be the same.
    package struct About: Codable, Sendable, Hashable {
        package var kind: String?
        package var name: String?
        package var namespace: String?
    }

    package enum Severity: String, Codable, Sendable, CaseIterable { case normal = "Normal", warning = "Warning" }

    package var reason: String?
    package var type: Severity?
    /// Texts that the message must have.
    package var mentions: [String] = []
    package var about: About?
    /// How often it must have happened at least. 0 means that it must not have happened.
    package var count = 1
}

// MARK: Shape

extension EventExpectation: Expectation {
    package static let field = Field(
        "events",
        .list(
            .object(
                ObjectShape(
                    name: "event expectation", help: "Events that happened since the step began.",
                    fields: [
                        Field("reason", .text(.nonEmpty), "The event's reason, such as FailedScheduling."),
                        Field("mentions", .oneOrMore(.text(.nonEmpty)), "Texts that its message must have."),
                        Field("about", .object(about), "The object that it is about."),
                        Field("type", .choice(Severity.allCases.map(\.rawValue)), "Its type; any."),
                        Field(
                            "count", .integer(0...100_000), "How often it happened at least; 1. 0: it did not happen."),
                    ], oneOf: ["reason", "mentions", "about"])), atLeast: 1),
        "Events of the API server since the step began; only in a lab with a control plane.")

    private static let about = ObjectShape(
        name: "about", help: "The object that an event is about.",
        fields: [
            Field("kind", .text(.nonEmpty), "Its kind, such as Pod."),
            Field("name", .text(.nonEmpty), "Its name, or a pod's name in the matrix."),
            Field("namespace", .text(.dnsLabel), "Its namespace; any."),
        ], oneOf: ["kind", "name"])

    package var needs: Set<ObservationNeed> { [.events] }
}

// MARK: Reading

extension EventExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [EventExpectation] {
        reader.needControlPlane(entry)
        return entry.value.items.map { item in
            EventExpectation(
                reason: item["reason"]?.text, type: item["type"]?.text.flatMap(Severity.init(rawValue:)),
                mentions: item["mentions"]?.texts ?? [],
                about: item["about"].map {
                    About(kind: $0["kind"]?.text, name: $0["name"]?.text, namespace: $0["namespace"]?.text)
                }, count: item["count"]?.integer ?? 1)
        }
    }
}

// MARK: Words

extension EventExpectation {
    /// For example `event FailedScheduling about Pod web-1, naming taint: at least once`.
    package var words: String {
        var text = "event"
        if let type { text += " \(type.rawValue)" }
        if let reason { text += " \(reason)" }
        if let about { text += " about \(about.words)" }
        if !mentions.isEmpty { text += ", naming " + mentions.joined(separator: ", ") }
        switch count {
        case 0: return text + ": never"
        case 1: return text
        default: return text + ": at least \(count) times"
        }
    }
}

extension EventExpectation.About {
    fileprivate var words: String {
        let place = namespace.map { "\($0)/" } ?? ""
        return [kind, name.map { place + $0 } ?? namespace.map { "in \($0)" }].compactMap { $0 }.joined(separator: " ")
    }
}

// MARK: Judgement

extension EventExpectation {
    package static func judge(
        _ expected: [EventExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.map { $0.judge(observation.events) }
    }

    private func judge(_ reading: ServedEvents?) -> ExpectationResult {
        guard let reading else {
            return ExpectationResult(words, .inconclusive, "the API server was not asked for its events")
        }
        let found = reading.events.filter(matches)
        let times = found.reduce(0) { $0 + $1.count }
        let example = found.first.map { ", for example \(Self.shown($0))" } ?? ""
        if count > 0, times >= count { return ExpectationResult(words, .met, "\(times) times\(example)") }
        if count == 0, times > 0 { return ExpectationResult(words, .unmet, "\(times) times\(example)") }
        // What is not there may be among those that could not be read.
        if let gap = reading.gap { return ExpectationResult(words, .inconclusive, gap) }
        if count == 0 { return ExpectationResult(words, .met, "none of \(reading.events.count) events") }
        return ExpectationResult(words, .unmet, times == 0 ? nearest(reading.events) : "\(times) times\(example)")
    }

    /// Says what there is instead: the events that have the reason, else those about the object.
    private func nearest(_ events: [ServedEvent]) -> String {
        let same = events.filter { $0.reason == reason }
        let other = events.filter { event in about.map { $0.matches(event) } ?? false }
        let example = (same.first ?? other.first).map { ", but for example \(Self.shown($0))" } ?? ""
        return "none of \(events.count) events\(example)"
    }

    private func matches(_ event: ServedEvent) -> Bool {
        (reason == nil || reason == event.reason) && (type == nil || type?.rawValue == event.type)
            && mentions.allSatisfy { event.message.contains($0) } && (about?.matches(event) ?? true)
    }

    private static func shown(_ event: ServedEvent) -> String {
        PlainText.line(event.words, limit: 500)
    }
}

extension EventExpectation.About {
    fileprivate func matches(_ event: ServedEvent) -> Bool {
        (kind == nil || kind == event.kind) && (name == nil || name == event.name || name == event.podID)
            && (namespace == nil || namespace == event.namespace)
    }
}
