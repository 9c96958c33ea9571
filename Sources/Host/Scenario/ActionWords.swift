extension Action {
    /// Describes the action in the words of one sentence. For a fault it is the summary with its parameters filled in.
    public func words(_ faults: [FaultDescriptor]) -> String {
        switch self {
        case .inject(let call):
            guard let descriptor = faults.first(where: { $0.kind == call.kind }) else { return "inject \(call.kind)" }
            return descriptor.words(call)
        case .heal(let id): return "undo \(id)"
        case .apply(let workload): return "apply \(workload.kind.rawValue) \(workload.namespace)/\(workload.name)"
        case .delete(let kind, let namespace, let name): return "delete \(kind.rawValue) \(namespace)/\(name)"
        case .applyObject(let object): return "apply \(object.kind.manifestKind) \(object.key)"
        case .deleteObject(let kind, let key): return "delete \(kind.manifestKind) \(key)"
        case .set(let values):
            return "set " + values.sorted { $0.key < $1.key }.map { "\($0.key) to \($0.value)" }.joined(separator: ", ")
        case .scale(let namespace, let name, let replicas):
            return "scale Deployment \(namespace)/\(name) to \(replicas)"
        case .applyServed(let manifests): return "apply " + manifests.map(\.words).joined(separator: ", ")
        case .deleteServed(let query): return "delete \(query.words)"
        case .scaleServed(let query, let replicas): return "scale \(query.words) to \(replicas)"
        case .join(let nodes): return "\(nodes.joined(separator: ", ")) \(nodes.count == 1 ? "joins" : "join")"
        case .leave(let nodes): return "\(nodes.joined(separator: ", ")) \(nodes.count == 1 ? "leaves" : "leave")"
        case .wait(let condition): return "wait for \(condition.subject.rawValue)"
        }
    }
}

extension FaultDescriptor {
    /// Returns the summary with its `{parameter}` places filled. If a parameter about nodes was not given, it means all
    /// nodes.
    public func words(_ call: FaultCall) -> String {
        var text = summary
        for parameter in parameters {
            var preset = parameter.preset ?? "none"
            if case .nodes = parameter.type { preset = "all nodes" }
            text = text.replacing("{\(parameter.name)}", with: call.parameters[parameter.name]?.words ?? preset)
        }
        return text
    }
}

extension ParameterValue {
    /// The value as an engineer would write it: `200ms`, `2.5%`, `8472`, `node1, node2`.
    public var words: String {
        switch self {
        case .text(let text): text
        case .integer(let value): "\(value)"
        case .number(let value): (value == value.rounded() ? "\(Int(value))" : "\(value)") + "%"
        case .flag(let value): "\(value)"
        case .duration(let seconds):
            seconds < 1
                ? "\(Int((seconds * 1000).rounded()))ms"
                : "\(seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)")s"
        case .ports(let range): range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        case .texts(let list): list.joined(separator: ", ")
        }
    }
}
