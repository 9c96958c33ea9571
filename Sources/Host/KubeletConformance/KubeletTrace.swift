import JSON

/// What a kubelet has told of its node and pods in the course of a run, in comparable words.
public struct KubeletTrace: Sendable, Equatable {
    /// What is told of: `node`, or a pod's name.
    public typealias Subject = String
    /// In what respect: `phase`, `container web`, `condition Ready`, `events`, `network`.
    public typealias Aspect = String

    /// The values of each aspect in the order in which they first came.
    public private(set) var values: [Subject: [Aspect: [String]]] = [:]
    /// Conditions and container states as they are now, by subject and key.
    private var present: [Subject: [String: JSONValue]] = [:]

    private static let mostValues = 200

    public static func == (left: KubeletTrace, right: KubeletTrace) -> Bool { left.values == right.values }

    /// - Parameters:
    ///   - auditLog: The API server's, with requests' bodies.
    ///   - pluginCalls: The log of CNI calls, a line `ADD PLUGIN NAMESPACE/POD` each.
    ///   - namespace: The namespace of the pods; others are not looked at.
    public init(auditLog: [UInt8], pluginCalls: String, namespace: String = "default") {
        for write in NodeWrite.all(in: auditLog) { take(write, namespace) }
        for line in pluginCalls.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count == 3, ["ADD", "DEL", "CHECK"].contains(words[0]) else { continue }
            let parts = words[2].split(separator: ":", maxSplits: 1)
            guard let pod = parts.first, pod.hasPrefix(namespace + "/") else { continue }
            let failure = parts.count > 1 ? " failed" : ""
            add(String(pod.dropFirst(namespace.count + 1)), "network", "\(words[0]) \(words[1])\(failure)")
        }
    }

    private mutating func add(_ subject: Subject, _ aspect: Aspect, _ value: String) {
        let known = values[subject]?[aspect] ?? []
        guard known.count < Self.mostValues, !known.contains(value) else { return }
        values[subject, default: [:]][aspect] = known + [value]
    }

    private mutating func take(_ write: NodeWrite, _ namespace: String) {
        switch write.kind {
        case .podStatus where write.namespace == namespace:
            guard let status = write.body["status"] else { return }
            takePhase(of: write.name, status)
            takeConditions(of: write.name, status)
            for (list, word) in [("initContainerStatuses", "init container"), ("containerStatuses", "container")] {
                for container in status[list]?.elements ?? [] { takeContainer(of: write.name, word, container) }
            }
        case .nodeStatus:
            if let status = write.body["status"] { takeConditions(of: "node", status) }
        case .event where write.namespace == namespace: takeEvent(write)
        default: break
        }
    }

    private mutating func takePhase(of pod: Subject, _ status: JSONValue) {
        guard let phase = status["phase"]?.text else { return }
        let words = [phase, status["reason"]?.text, status["message"]?.text].compactMap(\.self)
        add(pod, "phase", Wording.comparable(words.joined(separator: ": ")))
    }

    private mutating func takeConditions(of subject: Subject, _ status: JSONValue) {
        for patch in status["conditions"]?.elements ?? [] {
            guard let type = patch["type"]?.text else { continue }
            let merged = merge(subject, "condition " + type, patch)
            let words = [merged["status"], merged["reason"], merged["message"]].compactMap { $0?.text }
            guard !words.isEmpty else { continue }
            add(subject, "condition " + type, Wording.comparable(words.joined(separator: " ")))
        }
    }

    /// Lays a patch over what is known, and returns both. A value of null takes one away.
    private mutating func merge(_ subject: Subject, _ key: String, _ patch: JSONValue) -> JSONValue {
        var members = present[subject]?[key]?.members ?? [:]
        for (name, value) in patch.members ?? [:] { members[name] = value == .null ? nil : value }
        let merged = JSONValue.object(members)
        present[subject, default: [:]][key] = merged
        return merged
    }

    private mutating func takeContainer(of pod: Subject, _ word: String, _ container: JSONValue) {
        guard let name = container["name"]?.text else { return }
        let states = container["state"]?.members ?? [:]
        var words: [String] = []
        for (kind, state) in states.sorted(by: { $0.key < $1.key }) where state != .null {
            words.append(kind)
            if let code = state["exitCode"]?.integerValue { words.append("\(code)") }
            for key in ["reason", "message"] { if let text = state[key]?.text, !text.isEmpty { words.append(text) } }
        }
        guard !words.isEmpty else { return }
        if container["ready"] == .bool(true) { words.append("(ready)") }
        add(pod, "\(word) \(name)", Wording.comparable(words.joined(separator: " ")))
    }

    private mutating func takeEvent(_ write: NodeWrite) {
        guard let object = write.body["involvedObject"] else { return }
        let name = object["name"]?.text ?? ""
        let subject = object["kind"]?.text == "Node" ? "node" : name
        let words = [write.body["type"], write.body["reason"], write.body["message"]].compactMap { $0?.text }
        add(subject, "events", Wording.comparable(words.joined(separator: " ")))
    }
}
