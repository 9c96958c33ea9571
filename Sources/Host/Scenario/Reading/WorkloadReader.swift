import KubeObjects
import ScenarioReading
import Shapes

extension ScenarioReader {
    /// A manifest, or the file of several, into the workloads.
    mutating func add(_ value: YAMLValue) {
        for (manifest, place) in manifests(value) {
            if !take(manifest, replacing: false) { checker.report(place, "\(manifest.name) is given twice") }
        }
    }

    /// False when it is there already and may not be replaced.
    mutating func take(_ manifest: Manifest, replacing: Bool) -> Bool {
        everyPod.add(manifest)
        switch manifest {
        case .workload(let workload):
            guard let index = workloads.firstIndex(where: { $0.isSameObject(as: workload) }) else {
                workloads.append(workload)
                return true
            }
            if replacing { workloads[index] = workload }
        case .object(let object):
            guard let index = objects.firstIndex(where: { $0.kind == object.kind && $0.key == object.key }) else {
                objects.append(object)
                return true
            }
            if replacing { objects[index] = object }
        case .served(let object): return take(object, replacing: replacing)
        }
        return replacing
    }

    /// What a manifest or a `file:` stands for, with the place to name.
    mutating func manifests(_ value: YAMLValue) -> [(Manifest, Place)] {
        guard value["kind"] == nil, let reference = value["file"] else {
            return singles(value).compactMap { single in
                manifestItself(single).map { ($0, single["metadata"]?["name"]?.place ?? single.place) }
            }
        }
        guard let path = reference.text, !path.isEmpty else { return [] }
        switch manifest(path) {
        case .failure(let error):
            checker.report(reference.place, error.message)
            return []
        case .success(let bytes):
            let name = SourceFile.folder(of: file) + path
            let reading = YAMLReading(bytes, file: name)
            var inner = ShapeChecker(file: name)
            let documents = reading.documents.filter { $0.scalarKind != .null }
            for document in documents {
                var variants = ManifestShape.manifests(manifestRules)
                variants.otherwise = nil
                inner.check(document, .variants(variants), "the manifest")
            }
            // Their own node names are checked by the same reader, in the manifest file's name.
            swap(&checker, &inner)
            let found = documents.flatMap { singles($0) }.compactMap { manifestItself($0) }
            swap(&checker, &inner)
            problems += reading.problems + inner.problems
            if documents.isEmpty, reading.problems.isEmpty {
                checker.report(reference.place, "\(path) has no manifest")
            }
            return found.map { ($0, reference.place) }
        }
    }

    /// The manifests of a List, or the manifest itself.
    private func singles(_ value: YAMLValue) -> [YAMLValue] {
        value["kind"]?.text == ManifestShape.listKind ? value["items"]?.items ?? [] : [value]
    }

    private mutating func manifestItself(_ value: YAMLValue) -> Manifest? {
        if isServed { return served(value).map(Manifest.served) }
        return workload(value).map(Manifest.workload) ?? object(value).map(Manifest.object)
    }

    private mutating func workload(_ value: YAMLValue) -> Workload? {
        guard let kind = value["kind"]?.text.flatMap(Workload.Kind.init(rawValue:)), let metadata = value["metadata"],
            let name = metadata["name"]?.text, TextRule.dnsLabel.accepts(name)
        else { return nil }
        let spec = value["spec"]
        let template = kind == .pod ? value : spec?["template"]
        let podSpec = template?["spec"]
        let labels = texts(template?["metadata"]?["labels"])
        checkSelector(spec?["selector"]?["matchLabels"], labels)
        let nodeName = kind == .pod ? podSpec?["nodeName"] : nil
        _ = nodeNames(nodeName)
        let containers = podSpec?["containers"]?.items ?? []
        let programs = containers.compactMap { program($0) }
        return Workload(
            kind: kind, namespace: metadata["namespace"]?.text ?? "default", name: name, labels: labels,
            replicas: kind == .deployment ? min(spec?["replicas"]?.integer ?? 1, ManifestShape.replicaLimit) : 1,
            nodeName: nodeName?.text, port: Self.echoPort(containers, programs),
            ports: ports(podSpec), programs: programs, restartPolicy: podSpec?["restartPolicy"]?.text ?? "Always")
    }

    private mutating func program(_ container: YAMLValue) -> ContainerProgram? {
        let command = (container["command"]?.items ?? []).compactMap(\.text)
        let arguments = (container["args"]?.items ?? []).compactMap(\.text)
        guard
            let words = ContainerImages.command(image: container["image"]?.text, command: command, arguments: arguments)
        else {
            if let args = container["args"] {
                checker.report(
                    args.place,
                    "args need a command, or an image with one: "
                        + ContainerImages.table.map(\.name).joined(separator: ", "))
            }
            return nil
        }
        for key in ["command", "args"] {
            for item in container[key]?.items ?? [] { checkArgument(item, item.text, key) }
        }
        for entry in container["env"]?.items ?? [] {
            guard let name = entry["name"]?.text else { continue }
            if name.contains("=") {
                checker.report(entry["name"]?.place ?? entry.place, "a variable's name has no \"=\"")
            }
            checkArgument(entry, "\(name)=\(entry["value"]?.text ?? "")", "env")
        }
        let environment = (container["env"]?.items ?? []).compactMap { entry in
            entry["name"]?.text.map { "\($0)=\(entry["value"]?.text ?? "")" }
        }
        return ContainerProgram(name: container["name"]?.text ?? "", command: words, environment: environment)
    }

    /// execve(2) takes texts that end with a zero byte, and of at most MAX_ARG_STRLEN bytes with it
    /// (linux/binfmts.h: 32 pages of 4 KiB).
    private mutating func checkArgument(_ value: YAMLValue, _ text: String?, _ key: String) {
        guard let text else { return }
        if text.utf8.contains(0) { checker.report(value.place, "\(key) has a text with a NUL character") }
        if text.utf8.count >= 131_072 {
            checker.report(value.place, "\(key) has a text of \(text.utf8.count) bytes; a program gets at most 131071")
        }
    }

    /// The first port of a container that runs nothing; programs have theirs for themselves.
    private static func echoPort(_ containers: [YAMLValue], _ programs: [ContainerProgram]) -> UInt16 {
        let running = Set(programs.map(\.name))
        func ports(_ container: YAMLValue) -> [UInt16] {
            (container["ports"]?.items ?? []).compactMap {
                $0["containerPort"]?.integer.flatMap { UInt16(exactly: $0) }
            }
        }
        let taken = Set(containers.filter { running.contains($0["name"]?.text ?? "") }.flatMap(ports))
        let free = containers.filter { !running.contains($0["name"]?.text ?? "") }.flatMap(ports)
        return free.first { !taken.contains($0) } ?? (taken.contains(8080) ? 18080 : 8080)
    }

    private func ports(_ podSpec: YAMLValue?) -> [Pod.Port] {
        (podSpec?["containers"]?.items ?? []).flatMap { $0["ports"]?.items ?? [] }.compactMap { port in
            port["containerPort"]?.integer.flatMap { UInt16(exactly: $0) }.map { number in
                Pod.Port(
                    name: port["name"]?.text, containerPort: number,
                    hostPort: port["hostPort"]?.integer.flatMap { UInt16(exactly: $0) }, hostIP: port["hostIP"]?.text,
                    protocol: port["protocol"]?.text.flatMap(TransportProtocol.init(rawValue:)) ?? .tcp)
            }
        }
    }

    private func texts(_ value: YAMLValue?) -> [String: String] {
        var result: [String: String] = [:]
        for entry in value?.entries ?? [] { result[entry.key] = entry.value.text }
        return result
    }

    private mutating func checkSelector(_ selector: YAMLValue?, _ labels: [String: String]) {
        for entry in selector?.entries ?? [] where labels[entry.key] != entry.value.text {
            checker.report(entry.keyPlace, "label \(entry.key) of the selector is not the template's")
        }
    }

    /// Every pod's name once, and not too many.
    mutating func checkEndpoints(_ place: Place) {
        guard !isServed else { return checkServedEndpoints(place) }
        let pods = WorkloadPlacement.pods(for: workloads, nodes: nodes, keeping: places ?? [:])
        if pods.count + nodes.count > Self.endpointLimit {
            checker.report(
                place, "\(pods.count) pods and \(nodes.count) nodes are more than \(Self.endpointLimit) endpoints")
            coverage.giveUp()
            return
        }
        var seen: Set<String> = []
        for pod in pods where !seen.insert(pod.endpointID).inserted {
            checker.report(place, "two workloads make a pod named \(pod.endpointID)")
        }
    }

    private mutating func checkServedEndpoints(_ place: Place) {
        let pods = servedEndpoints.filter { $0.kind == .pod }
        if pods.count + nodes.count > Self.servedEndpointLimit {
            checker.report(
                place, "\(pods.count) pods and \(nodes.count) nodes are more than \(Self.servedEndpointLimit) endpoints"
            )
        }
        var seen: Set<String> = []
        for pod in pods where !seen.insert(pod.id).inserted {
            checker.report(place, "two workloads make a pod that the matrix calls \(pod.id)")
        }
    }
}

extension Workload {
    func isSameObject(as other: Workload) -> Bool {
        kind == other.kind && namespace == other.namespace && name == other.name
    }
}
