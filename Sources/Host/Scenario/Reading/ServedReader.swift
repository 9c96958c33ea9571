import JSON
import Observations
import Readings
import ScenarioReading

extension ScenarioReader {
    /// Whether objects go to an API server as they are.
    var isServed: Bool { profile?.controlPlane.enabled ?? false }

    /// What manifests may be in the lab.
    var manifestRules: ManifestShape.Rules { isServed ? .served : .own }

    /// An object for the API server. What is wrong with it beyond its name, the server says when it gets it.
    func served(_ value: YAMLValue) -> ServedObject? {
        guard let apiVersion = value["apiVersion"]?.text, let kind = value["kind"]?.text,
            let name = value["metadata"]?["name"]?.text, !apiVersion.isEmpty, !kind.isEmpty, !name.isEmpty
        else { return nil }
        let group = apiVersion.split(separator: "/").count == 2 ? apiVersion.split(separator: "/")[0] : ""
        let object = value.served.completed(kind: kind, group: String(group))
        return ServedObject(
            ServedManifest(
                apiVersion: apiVersion, kind: kind, namespace: value["metadata"]?["namespace"]?.text, name: name,
                text: object.canonicalText, place: "\(checker.file):\(value.place.line)"), object)
    }

    /// Takes an object in. False when it is there already and may not be replaced.
    mutating func take(_ object: ServedObject, replacing: Bool) -> Bool {
        guard let index = served.firstIndex(where: { $0.manifest.isSameObject(as: object.manifest) }) else {
            served.append(object)
            return true
        }
        if replacing { served[index] = object }
        return replacing
    }

    /// The server knows what there is: an object may come of another one, and is not missed here.
    mutating func deleteServed(_ value: YAMLValue) -> [Action] {
        guard let query = query(value, kind: value["kind"]?.text) else { return [] }
        served.removeAll { $0.manifest.isObject(query) }
        if query.kind == "Namespace" { served.removeAll { ($0.manifest.namespace ?? "default") == query.name } }
        return [.deleteServed(query)]
    }

    mutating func scaleServed(_ value: YAMLValue) -> Action? {
        if let deployment = value["deployment"], value["name"] != nil {
            checker.report(deployment.place, "deployment and name are not given together")
        }
        guard let replicas = value["replicas"]?.integer,
            let query = query(value, kind: value["kind"]?.text ?? "Deployment")
        else { return nil }
        for index in served.indices where served[index].manifest.isObject(query) {
            served[index].replicas = min(max(0, replicas), ManifestShape.replicaLimit)
        }
        checkEndpoints(value.place)
        return .scaleServed(query, replicas: replicas)
    }

    private func query(_ value: YAMLValue, kind: String?) -> ObjectQuery? {
        guard let kind, let name = (value["name"] ?? value["deployment"])?.text else { return nil }
        return ObjectQuery(
            apiVersion: value["apiVersion"]?.text, kind: kind, namespace: value["namespace"]?.text, name: name)
    }

    /// The endpoints that the objects at this step bring.
    var servedEndpoints: [Endpoint] {
        let echo = EchoPort(profile?.images)
        return served.flatMap { $0.endpoints(nodes: nodes, echo: echo) }
    }
}

extension YAMLValue {
    /// The value as kubectl sends it: plain scalars by YAML's core schema, and numbers such as `0644` as octal ones.
    var served: JSONValue {
        switch content {
        case .list(let items): return .array(items.map(\.served))
        case .map(let entries):
            return .object(Dictionary(entries.map { ($0.key, $0.value.served) }) { _, last in last })
        case .scalar(let text, _):
            switch scalarKind {
            case .null: return .null
            case .flag: return .bool(text.lowercased() == "true")
            case .integer: return Self.integer(text) ?? .string(text)
            case .number: return Double(text).map { $0.isFinite ? .number($0) : .string(text) } ?? .string(text)
            default: return .string(text)
            }
        }
    }

    private static func integer(_ text: String) -> JSONValue? {
        let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
        guard digits.count > 1, digits.first == "0" else {
            return Int64(text).map { .integer($0) } ?? Double(text).map { .number($0) }
        }
        // As YAML 1.1 has it, which kubectl reads: file modes are written so.
        return Int64(digits, radix: 8).map { .integer(text.first == "-" ? -$0 : $0) }
    }
}

extension JSONValue {
    /// Fills in what a lab without a control plane lets a workload leave out and an API server does not, so that one
    /// file runs in both: an image of a container that only answers probes, a container, a selector. And a port's
    /// protocol, without which Kubernetes 1.20 does not apply a list of ports on its side.
    fileprivate func completed(kind: String, group: String) -> JSONValue {
        switch (group, kind) {
        case ("", "Service"): return with("spec") { $0.changing("ports") { $0.eachElement(\.withProtocol) } }
        case ("", "Pod"): return with("spec") { $0.withContainers.withProtocols }
        case ("apps", "Deployment"), ("apps", "DaemonSet"):
            let labels = self["spec"]?["template"]?["metadata"]?["labels"]
            return with("spec") { spec in
                let completed = spec.with("template") { $0.with("spec") { $0.withContainers.withProtocols } }
                guard completed["selector"] == nil, let labels else { return completed }
                return completed.with("selector") { _ in .object(["matchLabels": labels]) }
            }
        case ("apps", _), ("batch", "Job"), ("", "ReplicationController"): return changing("spec") { $0.withTemplate }
        case ("batch", "CronJob"):
            return changing("spec") { $0.changing("jobTemplate") { $0.changing("spec") { $0.withTemplate } } }
        default: return self
        }
    }

    /// The image of a container that only answers probes.
    private static let echo = JSONValue.string("echo")

    private var withContainers: JSONValue {
        if self["containers"] == nil {
            return with("containers") { _ in .array([.object(["name": .string("main"), "image": Self.echo])]) }
        }
        return changing("containers") { containers in
            containers.eachElement { container in
                container["image"] == nil ? container.with("image") { _ in Self.echo } : container
            }
        }
    }

    private var withTemplate: JSONValue { changing("template") { $0.changing("spec") { $0.withProtocols } } }

    /// A pod's spec in which every port of a container has a protocol.
    private var withProtocols: JSONValue {
        ["containers", "initContainers"].reduce(self) { spec, key in
            spec.changing(key) { $0.eachElement { $0.changing("ports") { $0.eachElement(\.withProtocol) } } }
        }
    }

    private var withProtocol: JSONValue {
        self["protocol"] == nil && members != nil ? with("protocol") { _ in .string("TCP") } : self
    }

    private func eachElement(_ change: (JSONValue) -> JSONValue) -> JSONValue {
        elements.map { .array($0.map(change)) } ?? self
    }

    /// Replaces a member, if there is one.
    private func changing(_ key: String, _ change: (JSONValue) -> JSONValue) -> JSONValue {
        self[key] == nil ? self : with(key, change)
    }

    /// Replaces a member. A missing one is an empty object; what is no object stays as it is.
    private func with(_ key: String, _ change: (JSONValue) -> JSONValue) -> JSONValue {
        guard case .object(var members) = self else { return self }
        members[key] = change(members[key] ?? .object([:]))
        return .object(members)
    }
}
