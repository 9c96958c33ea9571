import Hashing
import JSON

/// What all lives of pods share while the mind works on an input.
struct World: Sendable {
    let settings: KubeletSettings
    let images: ImageCatalogue
    var now = KubeletTime(monotonic: .zero, unixMicroseconds: 0)
    /// The words of ``NodeWords/networkProblem(_:)``; nil if a network is there.
    var networkProblem: String? = NodeWords.networkProblem(NodeWords.uninitialized)
    /// Objects that are followed: no value before the first answer, nil in it if there is no such object.
    var objects: [ObjectReference: ObjectContent?] = [:]
    var services: [ServiceAddress]?
    /// The UID of the node's object; nil before it has been seen.
    var nodeUID: String?
    var events: EventRecorder
    var random: SplitMix64
    var actions: [KubeletAction] = []

    init(_ settings: KubeletSettings, _ images: ImageCatalogue, seed: UInt64) {
        self.settings = settings
        self.images = images
        events = EventRecorder(nodeName: settings.nodeName)
        random = SplitMix64(seed: seed)
    }

    /// `labrun` of `labrun://1.0`
    var runtimeScheme: String {
        let version = settings.system.containerRuntimeVersion
        return version.firstIndex(of: ":").map { String(version[..<$0]) } ?? "labrun"
    }

    mutating func record(
        _ subject: EventSubject, _ type: EventType, _ reason: String, _ message: String,
        annotations: [String: String] = [:]
    ) {
        if let event = events.record(subject, type, reason, message, annotations: annotations, at: now) {
            actions.append(.record(event))
        }
    }

    /// 64 hexadecimal digits that no other container of the node has.
    mutating func identifier() -> String {
        (0..<4).map { _ in
            let digits = String(random.next(), radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }.joined()
    }

    /// A delay that is up to a factor longer (`wait.Jitter`).
    mutating func jitter(_ delay: Duration, _ factor: Double) -> Duration {
        delay + delay * (Double.random(in: 0..<1, using: &random) * factor)
    }
}
