import CloudAPI
import Expectations
import KubeObjects
import ScenarioReading

extension ScenarioReader {
    mutating func step(_ value: YAMLValue, name: String) -> Step {
        var actions: [Action] = []
        for entry in value.entries {
            switch entry.key {
            case "inject": actions += entry.value.oneOrMore.compactMap { inject($0) }
            case "heal": actions += entry.value.oneOrMore.compactMap { heal($0) }
            case "apply": actions += entry.value.oneOrMore.flatMap { apply($0) }
            case "delete": actions += entry.value.oneOrMore.flatMap { delete($0) }
            case "set": actions.append(set(entry.value))
            case "scale": actions += entry.value.oneOrMore.compactMap { scale($0) }
            case "join": actions += [join(entry.value)].compactMap { $0 }
            case "leave": actions += [leave(entry.value)].compactMap { $0 }
            case "wait": actions += entry.value.oneOrMore.compactMap { wait($0) }
            default: break
            }
            settlePlaces()
        }
        return Step(
            name: name, title: value["title"]?.text ?? name, actions: actions,
            expect: value["expect"].map { expectations($0, step: name) })
    }

    // MARK: Faults

    private mutating func inject(_ value: YAMLValue) -> Action? {
        guard let kindValue = value["fault"], let kind = kindValue.text,
            let descriptor = faults.first(where: { $0.kind == kind })
        else { return nil }
        let id = value["id"]?.text ?? kind
        let place = (value["id"] ?? kindValue).place
        if let line = active[id] {
            checker.report(
                place, "fault id \"\(id)\" is already active since line \(line); heal it first, or give another id")
        } else {
            active[id] = place.line
        }
        var parameters: [String: ParameterValue] = [:]
        for parameter in descriptor.parameters {
            if let given = value[parameter.name] { parameters[parameter.name] = self.parameter(given, parameter.type) }
        }
        let call = FaultCall(
            id: id, kind: kind, parameters: parameters,
            location: FaultCall.Location(file: file, line: value.place.line, column: value.place.column))
        var check = FaultCheck(call, value, profile: profile)
        descriptor.check(&check)
        for mistake in check.mistakes {
            checker.report(
                mistake.place, mistake.message, expected: mistake.expected, suggestion: mistake.suggestion)
        }
        take(descriptor.claims(call, nodes), for: call, place)
        return .inject(call)
    }

    /// Reports the first conflict with a fault in force. A fault that conflicts holds nothing.
    private mutating func take(_ wanted: [Claim], for call: FaultCall, _ place: Place) {
        guard let conflict = claims.conflict(of: wanted) else { return claims.hold(wanted, by: call) }
        guard conflict.mayBeRefusedByRun else { return checker.report(place, conflict.description) }
        problems.append(
            Problem(
                severity: .warning, file: file, line: place.line, column: place.column,
                message: "\(conflict), and the run will refuse it"))
    }

    private mutating func parameter(_ value: YAMLValue, _ type: FaultDescriptor.ParameterType) -> ParameterValue? {
        switch type {
        case .text, .choice: return value.text.map { .text($0) }
        case .integer: return value.integer.map { .integer($0) }
        case .percent: return value.text.flatMap(Units.percent).map { .number($0) }
        case .duration: return value.text.flatMap(Units.seconds).map { .duration($0) }
        case .ports: return value.text.flatMap(Units.ports).map { .ports($0) }
        case .flag: return value.flag.map { .flag($0) }
        case .nodes:
            let names = nodeNames(value)
            return .texts(value.text == "all" ? nodes : names)
        }
    }

    private mutating func heal(_ value: YAMLValue) -> Action? {
        guard let id = value.text else { return nil }
        if active.removeValue(forKey: id) != nil {
            ended.insert(id)
            claims.release(id)
        } else if ended.contains(id) {
            checker.report(value.place, "fault \"\(id)\" is already healed")
        } else {
            checker.report(
                value.place, "no fault \"\(id)\" was injected before",
                expected: active.isEmpty
                    ? "the id of a fault in force, of which none is left" : active.keys.sorted().oneOf,
                suggestion: NearestName.of(id, among: active.keys.sorted()))
        }
        return .heal(id: id)
    }

    // MARK: Workloads and values

    private mutating func apply(_ value: YAMLValue) -> [Action] {
        let found = manifests(value)
        for (manifest, _) in found { _ = take(manifest, replacing: true) }
        checkEndpoints(value.place)
        let manifests = found.compactMap { manifest, _ in
            if case .served(let object) = manifest { object.manifest } else { nil }
        }
        if !manifests.isEmpty { return [.applyServed(manifests)] }
        return found.compactMap { manifest, _ in
            switch manifest {
            case .workload(let workload): .apply(workload)
            case .object(let object): .applyObject(object)
            case .served: nil
            }
        }
    }

    private mutating func delete(_ value: YAMLValue) -> [Action] {
        if isServed { return deleteServed(value) }
        if let kind = ObjectShapes.kinds.first(where: { $0.manifestKind == value["kind"]?.text }) {
            return deleteObject(value, kind)
        }
        guard let kind = value["kind"]?.text.flatMap(Workload.Kind.init(rawValue:)),
            let name = value["name"]?.text
        else { return [] }
        let namespace = value["namespace"]?.text ?? "default"
        if let index = workloads.firstIndex(where: { $0.kind == kind && $0.namespace == namespace && $0.name == name })
        {
            workloads.remove(at: index)
        } else {
            reportUnknownWorkload(value, kind, namespace, name)
        }
        return [.delete(kind: kind, namespace: namespace, name: name)]
    }

    private mutating func deleteObject(_ value: YAMLValue, _ kind: ObjectKind) -> [Action] {
        guard let name = value["name"]?.text else { return [] }
        if !kind.isNamespaced, let namespace = value["namespace"] {
            checker.report(namespace.place, "a \(kind.manifestKind) is in no namespace")
        }
        let namespace = kind.isNamespaced ? value["namespace"]?.text ?? "default" : ""
        let key = ObjectKey(namespace: namespace, name: name)
        if let index = objects.firstIndex(where: { $0.kind == kind && $0.key == key }) {
            objects.remove(at: index)
        } else {
            let names = objects.filter { $0.kind == kind && $0.key.namespace == namespace }.map(\.key.name)
            checker.report(
                (value["name"] ?? value).place, "no \(kind.manifestKind) \(key) at this step",
                suggestion: NearestName.of(name, among: names))
        }
        return (kind == .namespaces ? everything(in: name) : []) + [.deleteObject(kind, key)]
    }

    /// With a namespace goes everything in it, as in Kubernetes.
    private mutating func everything(in namespace: String) -> [Action] {
        let leaving = workloads.filter { $0.namespace == namespace }
        let left = objects.filter { $0.kind.isNamespaced && $0.key.namespace == namespace }
        workloads.removeAll { $0.namespace == namespace }
        objects.removeAll { $0.kind.isNamespaced && $0.key.namespace == namespace }
        return leaving.map { .delete(kind: $0.kind, namespace: namespace, name: $0.name) }
            + left.map { .deleteObject($0.kind, $0.key) }
    }

    private mutating func scale(_ value: YAMLValue) -> Action? {
        if isServed { return scaleServed(value) }
        guard let name = value["deployment"]?.text, let replicas = value["replicas"]?.integer else { return nil }
        let namespace = value["namespace"]?.text ?? "default"
        let kind = Workload.Kind.deployment
        if let index = workloads.firstIndex(where: { $0.kind == kind && $0.namespace == namespace && $0.name == name })
        {
            workloads[index].replicas = min(max(0, replicas), ManifestShape.replicaLimit)
            checkEndpoints(value.place)
        } else {
            reportUnknownWorkload(value, kind, namespace, name)
        }
        return .scale(namespace: namespace, name: name, replicas: replicas)
    }

    private mutating func reportUnknownWorkload(
        _ value: YAMLValue, _ kind: Workload.Kind, _ namespace: String, _ name: String
    ) {
        let names = workloads.filter { $0.kind == kind && $0.namespace == namespace }.map(\.name)
        checker.report(
            (value["name"] ?? value["deployment"] ?? value).place,
            "no \(kind.rawValue) \(namespace)/\(name) at this step", suggestion: NearestName.of(name, among: names))
    }

    private mutating func set(_ value: YAMLValue) -> Action {
        let prefix = "datapath.values."
        var values: [String: String] = [:]
        let leaves = checker.leaves(of: value, path: "")
        if leaves.isEmpty, case .map = value.content { checker.report(value.place, "set changes no value") }
        for (path, place, leaf) in leaves {
            var text = leaf.items.isEmpty ? leaf.text ?? "" : leaf.texts.joined(separator: ",")
            if path == Action.instanceType {
                if InstanceLimits.byType[text] == nil {
                    let known = InstanceLimits.byType.keys.sorted()
                    checker.report(
                        leaf.place, "no instance type \"\(text)\"", expected: "one of " + known.joined(separator: ", "),
                        suggestion: NearestName.of(text, among: known))
                }
            } else if path == Action.kubeProxy {
                if leaf.flag == nil {
                    checker.report(
                        leaf.place, "\(path) must be true or false, but \"\(text)\" is given", expected: "true or false"
                    )
                }
            } else if !path.hasPrefix(prefix) {
                checker.report(
                    leaf.place, "\(path) cannot be set in a running lab",
                    expected: "datapath.values.NAME, nodes.instanceType or kubeProxy.enabled")
            } else {
                guard let read = checker.datapathValue(String(path.dropFirst(prefix.count)), leaf, place) else {
                    continue
                }
                text = read
            }
            if values.updateValue(text, forKey: path) != nil { checker.report(place, "\(path) is given twice") }
        }
        checkValues(values, prefix, leaves)
        if let reads = values[prefix + "l7Proxy"] {
            l7Proxy = reads == "true"
            checkPoliciesWithoutProxy(value.place)
        }
        return .set(values)
    }

    /// Reports values that the lab cannot have, with what was set before.
    private mutating func checkValues(
        _ values: [String: String], _ prefix: String, _ leaves: [(path: String, place: Place, value: YAMLValue)]
    ) {
        guard var changed = profile else { return }
        for (path, text) in values where path.hasPrefix(prefix) {
            changed.datapathValues[String(path.dropFirst(prefix.count))] = text
        }
        guard changed.datapathValues != profile?.datapathValues else { return }
        for mistake in changed.valueMistakes() {
            guard let leaf = leaves.first(where: { $0.path == prefix + mistake.option }) else { continue }
            checker.report(leaf.value.place, mistake.message, expected: mistake.expected)
        }
    }

    private func wait(_ value: YAMLValue) -> Action? {
        value["for"]?.text.flatMap(WaitCondition.Subject.init(rawValue:)).map {
            .wait(WaitCondition(subject: $0, within: value["within"]?.text.flatMap(Units.seconds) ?? 30))
        }
    }
}
