import Expectations
import Matrix
import Readings
import DatapathOptions
import KubeObjects
import ScenarioReading
import Shapes

/// Reads `kind: Scenario`: structure by the shapes, then what only the whole file and its lab can tell.
struct ScenarioReader {
    /// More make no table that anybody reads, and pairs grow with the square.
    static let endpointLimit = 400
    /// In a lab with a control plane, whose pods are often there for their number and are not all probed.
    static let servedEndpointLimit = 600
    static let stepLimit = 200

    let file: String
    let faults: [FaultDescriptor]
    /// The kinds of expectations that there are.
    let expectations: [any Expectation.Type]
    let diagnoses: [String]
    let profiles: LabProfileSource
    let settings: [Setting]
    /// Reads a manifest file that `file:` names.
    let manifest: (_ path: String) -> Result<[UInt8], ManifestError>

    struct ManifestError: Error { let message: String }

    var checker: ShapeChecker
    var problems: [Problem] = []
    var profile: LabProfile?
    /// The names of all the lab's nodes, with every override. If the lab is not known there are none, and names of
    /// nodes are not checked.
    var labNodes: [String] = []
    /// The names of those that are there at the step that is read.
    var nodes: [String] = []
    /// The lines where nodes have joined.
    var joined: [String: Int] = [:]
    /// The nodes of the pods, by the endpoint's id, once nodes have joined or left; nil before, when they follow from
    /// workloads and nodes alone.
    var places: [String: String]?
    /// The workloads that exist at the step that is read.
    var workloads: [Workload] = []
    var objects: [ClusterObject] = []
    /// The objects that a lab with a control plane has been given at the step that is read.
    var served: [ServedObject] = []
    /// Whether somebody reads requests, as rules for HTTP and DNS need, at the step that is read.
    var l7Proxy = true
    var plan = ProbePlanSpec()
    /// Names of the steps so far that have expectations of a kind, by the kind's key.
    var expectingSteps: [String: [String]] = [:]
    /// The ids of the faults that are in force at the step that is read, with the lines where they were injected.
    var active: [String: Int] = [:]
    var ended: Set<String> = []
    /// What these faults claim.
    var claims = ClaimsInForce()
    var coverage = CoverageCheck()
    /// The labels of the pods that there are at some step, with the places that select pods by them.
    var everyPod = PodLabels()
    var selections: [PolicySelection] = []
    var counted: [ExpectationReader.CountedPods] = []

    init(
        file: String, faults: [FaultDescriptor], expectations: [any Expectation.Type], diagnoses: [String],
        profiles: LabProfileSource, settings: [Setting],
        manifest: @escaping (_ path: String) -> Result<[UInt8], ManifestError>
    ) {
        self.file = file
        self.faults = faults
        self.expectations = expectations
        self.diagnoses = diagnoses
        self.profiles = profiles
        self.settings = settings
        self.manifest = manifest
        checker = ShapeChecker(file: file)
    }

    mutating func read(_ bytes: [UInt8]) -> ScenarioFile? {
        let reading = YAMLReading(bytes, file: file)
        problems += reading.problems
        guard let document = reading.documents.first else {
            if reading.problems.isEmpty { checker.report(Place(line: 1, column: 1), "the file is empty") }
            return nil
        }
        let spec = document["spec"]
        let overrides = self.overrides(spec?["overrides"])
        // What manifests may be depends on the lab.
        readLab(spec?["lab"], overrides, changes: spec?["overrides"])
        checkMembership(spec?["overrides"]?["nodes"], overrides, lab: spec?["lab"])
        let shape = ScenarioShape(faults: faults, expectations: expectations, manifests: manifestRules)
        checker.check(document, shape.document, "the file")
        return scenario(document, overrides: overrides, manifests: Array(reading.documents.dropFirst()))
    }

    private mutating func scenario(
        _ document: YAMLValue, overrides: LabOverrides, manifests: [YAMLValue]
    ) -> ScenarioFile {
        let spec = document["spec"]
        // Where pods come to be, and which, is the servers' to decide: no rule can be held against them here.
        if isServed { coverage.giveUp() }
        l7Proxy = profile?.datapathValues["l7Proxy"] != "false"
        for item in spec?["workloads"]?.items ?? [] { add(item) }
        // kubectl skips empty documents, too.
        for manifest in manifests where manifest.scalarKind != .null {
            checker.check(manifest, .variants(ManifestShape.manifests(manifestRules)), "the manifest")
            add(manifest)
        }
        let initial = workloads
        let initialObjects = objects
        let initialServed = served.map(\.manifest)
        checkEndpoints(spec?["workloads"]?.place ?? document.place)
        readProbes(spec?["probes"])
        let timeline = self.timeline(spec?["timeline"])
        if !isServed { checkSelections() }
        return ScenarioFile(
            metadata: metadata(document["metadata"]),
            spec: ScenarioFile.Spec(
                lab: spec?["lab"]?.text ?? "", overrides: overrides, workloads: initial, objects: initialObjects,
                served: initialServed, probes: plan, timeline: timeline))
    }

    private func metadata(_ value: YAMLValue?) -> ScenarioFile.Metadata {
        var labels: [String: String] = [:]
        for entry in value?["labels"]?.entries ?? [] { labels[entry.key] = entry.value.text }
        return ScenarioFile.Metadata(
            name: value?["name"]?.text ?? "", title: value?["title"]?.text ?? "",
            description: value?["description"]?.text ?? "", labels: labels)
    }

    // MARK: Lab

    private mutating func overrides(_ value: YAMLValue?) -> LabOverrides {
        var result = LabOverrides(
            nodeCount: value?["nodes"]?["count"]?.integer, kernel: value?["nodes"]?["kernel"]?.text,
            memoryMiB: value?["nodes"]?["memoryMiB"]?.integer,
            datapathValues: checker.datapathValues(value?["datapath"]?["values"]))
        result.laterCount = value?["nodes"]?["later"]?.integer
        result.kubelet = value?["nodes"]?["kubelet"]?.text.flatMap { NodeKubeletKind(rawValue: $0) }
        result.traits = checker.traits(value?["nodes"])
        // The names of nodes are checked when the lab is known.
        result.namedTraits = checker.namedTraits(value?["nodes"]?["named"], among: [])
        result.evictionMemory = value?["nodes"]?["evictionHard"]?["memory.available"]?.text
        result.install = value?["datapath"]?["install"]?.text.flatMap { DatapathInstallation.Kind(rawValue: $0) }
        result.daemonSet = DatapathInstallation.placement(value?["datapath"]?["daemonSet"])
        result.instanceType = value?["nodes"]?["instanceType"]?.text
        result.cloudPlugin = value?["nodes"]?["cloudPlugin"]?.text.flatMap { LabProfile.CloudPlugin(rawValue: $0) }
        result.kubeProxy = value?["kubeProxy"]?["enabled"]?.flag
        let controlPlane = value?["controlPlane"]
        result.controlPlane = controlPlane?["enabled"]?.flag
        result.controlPlaneBinaries = controlPlane?["binaries"]?.text.map {
            ControlPlaneLayout.path($0, beside: file)
        }
        result.controlPlaneVersion = controlPlane?["version"]?.text
        result.cloudController = controlPlane?["cloudController"]?.flag
        result.autoscaler = controlPlane?["autoscaler"]?.flag
        result.configureCloudRoutes = controlPlane?["configureCloudRoutes"]?.flag
        result.gatewayController = controlPlane?["gatewayController"]?.flag
        result.images = value?["images"]?.text.map { ControlPlaneLayout.path($0, beside: file) }
        for setting in settings { apply(setting, to: &result) }
        return result
    }

    private mutating func apply(_ setting: Setting, to overrides: inout LabOverrides) {
        func problem(_ message: String, _ expected: String? = nil, _ suggestion: String? = nil) {
            problems.append(
                Problem(
                    file: setting.option, line: 1, column: 1, message: message, expected: expected,
                    suggestion: suggestion))
        }
        func number(_ range: ClosedRange<Int>) -> Int? {
            if let value = Int(setting.value), range.contains(value) { return value }
            let expected = Shape.integer(range).expected
            problem("\(setting.path) must be \(expected), but \"\(setting.value)\" is given", expected)
            return nil
        }
        func flag() -> Bool? {
            if let value = Bool(setting.value) { return value }
            problem("\(setting.path) must be true or false, but \"\(setting.value)\" is given", "true or false")
            return nil
        }
        func choice<Kind: RawRepresentable<String> & CaseIterable>(_: Kind.Type) -> Kind? {
            if let kind = Kind(rawValue: setting.value) { return kind }
            let kinds = Kind.allCases.map(\.rawValue)
            problem(
                "\(setting.path) must be \(kinds.oneOf), but \"\(setting.value)\" is given", kinds.oneOf,
                NearestName.of(setting.value, among: kinds))
            return nil
        }
        let prefix = "datapath.values."
        switch setting.path {
        case "datapath.install":
            if let kind = choice(DatapathInstallation.Kind.self) { overrides.install = kind }
        case "nodes.kubelet": if let kind = choice(NodeKubeletKind.self) { overrides.kubelet = kind }
        case "nodes.count": if let count = number(LabShape.nodeCounts) { overrides.nodeCount = count }
        case "nodes.later": if let count = number(0...LabProfile.mostNodes - 1) { overrides.laterCount = count }
        case "nodes.memoryMiB": if let memory = number(LabShape.memory) { overrides.memoryMiB = memory }
        case "nodes.kernel":
            if LabShape.kernels.contains(setting.value) {
                overrides.kernel = setting.value
            } else {
                let expected = Shape.choice(LabShape.kernels).expected
                problem("\(setting.path) must be \(expected), but \"\(setting.value)\" is given", expected)
            }
        case "nodes.instanceType":
            if CloudShape.instanceTypes.contains(setting.value) {
                overrides.instanceType = setting.value
            } else {
                let expected = Shape.choice(CloudShape.instanceTypes).expected
                problem(
                    "nodes.instanceType must be \(expected), but \"\(setting.value)\" is given", expected,
                    NearestName.of(setting.value, among: CloudShape.instanceTypes))
            }
        case "kubeProxy.enabled": if let enabled = flag() { overrides.kubeProxy = enabled }
        case "controlPlane.enabled": if let enabled = flag() { overrides.controlPlane = enabled }
        case "controlPlane.binaries":
            if setting.value.isEmpty {
                problem("\(setting.path) must be a folder, but \"\" is given", "a folder with kube-apiserver")
            } else {
                // The command line means the working directory, wherever the scenario is.
                overrides.controlPlaneBinaries = setting.value
            }
        case "images":
            if setting.value.isEmpty {
                problem("\(setting.path) must be a file, but \"\" is given", "the path of an images.yaml")
            } else {
                overrides.images = setting.value
            }
        case "controlPlane.version":
            if ControlPlaneShape.series.accepts(setting.value) {
                overrides.controlPlaneVersion = setting.value
            } else {
                let expected = ControlPlaneShape.series.expected
                problem("\(setting.path) must be \(expected), but \"\(setting.value)\" is given", expected)
            }
        case let path where path.hasPrefix(prefix):
            let name = String(path.dropFirst(prefix.count))
            if let mistake = DatapathValueMistake(name: name, value: setting.value) {
                problem(mistake.message, mistake.expected, mistake.suggestion.map { prefix + $0 })
            } else {
                overrides.datapathValues[name] = setting.value
            }
        default:
            let paths = [
                "nodes.count", "nodes.later", "nodes.kernel", "nodes.memoryMiB", "nodes.kubelet",
                "nodes.instanceType", "kubeProxy.enabled", "controlPlane.enabled", "controlPlane.binaries",
                "controlPlane.version", "datapath.install", "images",
            ]
            let all = paths + OptionCatalogue.names.map { prefix + $0 }
            problem(
                "unknown path \"\(setting.path)\"", "one of " + (paths + [prefix + "NAME"]).joined(separator: ", "),
                NearestName.of(setting.path, among: all))
        }
    }

    private mutating func readLab(_ value: YAMLValue?, _ overrides: LabOverrides, changes: YAMLValue?) {
        guard let value, let name = value.text, !name.isEmpty else { return }
        let values = changes?["datapath"]?["values"]
        switch profiles.find(name, file) {
        case .profile(let found):
            var changed = found.applying(overrides)
            if let path = overrides.images ?? (found.images == nil ? profiles.images(file) : nil) {
                changed.images = readImages(path, at: changes?["images"]?.place ?? value.place)
            }
            profile = changed
            // Out-of-range counts are reported by their shapes; they must not make names here.
            if LabShape.nodeCounts.contains(changed.nodeCount) {
                labNodes = changed.nodeNames
                nodes = changed.initialNodeNames
                checker.absentNodes = changed.laterNodeNames
                checker.launchableNodes = changed.controlPlane.autoscaler ? changed.laterNodeNames : []
            }
            if overrides.nodeCount != nil, let mistake = changed.capacityMistake() {
                checker.report(value.place, mistake)
            }
            if changed.controlPlane.enabled, changed.controlPlanePlace == nil {
                checker.report(
                    value.place, "lab \(found.name) has no free address for a control plane",
                    expected: "\"controlPlane.subnet\" in the lab, or a VPC with a free /28")
            }
            for mistake in [changed.installationMistake(), changed.kubeletMistake].compactMap(\.self) {
                checker.report(value.place, mistake.message, expected: mistake.expected)
            }
            // The lab's own values were checked with the lab.
            if found.datapathValues != changed.datapathValues || overrides.nodeCount != nil {
                let leaves = checker.leaves(of: values, path: "")
                for mistake in changed.valueMistakes() {
                    report(mistake, at: leaves.first { $0.path == mistake.option }?.value.place ?? value.place)
                }
            }
        case .faulty(let found):
            problems += found
            let mistakes = found.count == 1 ? "a mistake" : "\(found.count) mistakes"
            checker.report(value.place, "lab \"\(name)\" has \(mistakes) of its own")
        case .unknown(let names):
            checker.report(
                value.place, "unknown lab \"\(name)\"",
                expected: names.isEmpty ? nil : "one of " + names.joined(separator: ", "),
                suggestion: NearestName.of(name, among: names))
        }
    }

    /// Reads the `images.yaml` that counts, whose mistakes are told with its own name, too. What is nearer goes first: the
    /// command line, the scenario, the lab, and last the file beside the scenario.
    private mutating func readImages(_ path: String, at place: Place) -> UserImages? {
        let (images, mistakes) = UserImagesReader.read(path)
        problems += mistakes
        if images == nil { checker.report(place, UserImagesReader.summary(of: mistakes, in: path)) }
        return images
    }

    /// Reports a value that the lab cannot have, under the option of the command line if it was given there.
    private mutating func report(_ mistake: LabProfile.ValueMistake, at place: Place) {
        guard let setting = settings.first(where: { $0.path == "datapath.values." + mistake.option }) else {
            return checker.report(place, mistake.message, expected: mistake.expected)
        }
        problems.append(
            Problem(
                file: setting.option, line: 1, column: 1, message: mistake.message, expected: mistake.expected))
    }

    // MARK: Probes

    private mutating func readProbes(_ value: YAMLValue?) {
        guard let value else { return }
        // Pairs are for the whole timeline, and may be of nodes that join in its course.
        let (present, absent) = (nodes, checker.absentNodes)
        (nodes, checker.absentNodes) = (labNodes, [])
        defer { (nodes, checker.absentNodes) = (present, absent) }
        if let pairs = value["pairs"]?.items {
            plan.pairs = pairs.map {
                ProbePlanSpec.Pair(from: selector($0["from"]), to: selector($0["to"]))
            }
        }
        if let protocols = value["protocols"] { plan.protocols = ProbeProtocol.list(protocols) }
        if let deadline = value["deadline"]?.text.flatMap(Units.seconds) { plan.deadline = deadline }
        if let count = value["count"]?.integer { plan.count = count }
        var names: Set<String> = []
        for item in value["requests"]?.items ?? [] {
            guard let request = request(item) else { continue }
            if !names.insert(request.name).inserted {
                checker.report(item["name"]?.place ?? item.place, "two requests are named \(request.name)")
            }
            plan.requests.append(request)
        }
    }

    // MARK: Timeline

    private mutating func timeline(_ value: YAMLValue?) -> [Step] {
        let items = value?.items ?? []
        if items.count > Self.stepLimit {
            checker.report(items[Self.stepLimit].place, "more than \(Self.stepLimit) steps")
        }
        if let value, !items.isEmpty, !items.contains(where: { $0["expect"] != nil }) {
            checker.report(
                value.place, "no step expects anything, so that a run would prove nothing",
                expected: "\"expect\" in one step at least")
        }
        var names: [String: Int] = [:]
        var steps: [Step] = []
        for item in items.prefix(Self.stepLimit) {
            let name = item["name"]?.text ?? ""
            if let line = names[name], let place = item["name"]?.place {
                checker.report(place, "step \"\(name)\" is given twice, first in line \(line)")
            }
            names[name] = names[name] ?? item["name"]?.place.line
            steps.append(step(item, name: name))
            for entry in item["expect"]?.entries ?? [] { expectingSteps[entry.key, default: []].append(name) }
        }
        return steps
    }

    // MARK: Names

    /// Names of nodes, each of which must be in the lab. `all` and `none` give an empty list.
    mutating func nodeNames(_ value: YAMLValue?) -> [String] { checker.nodeNames(value, among: nodes) }

    /// An endpoint's id, or what must hold of an endpoint.
    mutating func selector(_ value: YAMLValue?) -> EndpointSelector {
        checker.selector(value, nodes: nodes, endpoints: endpoints, knowsPods: knowsPods)
    }

    /// Whether the names of all pods that there are at this step are known.
    private var knowsPods: Bool { !served.contains(where: \.makesUnknownPods) }

    /// Gives the endpoints at the step that is read, without the addresses that they get when they run.
    private var endpoints: () -> [Endpoint] {
        let served = servedEndpoints
        return { [workloads, objects, nodes, places, cloud = profile?.cloudEndpoints ?? []] in
            WorkloadPlacement.endpoints(
                for: workloads, objects: objects, nodes: nodes, cloud: cloud, keeping: places ?? [:]) + served
        }
    }

    /// Reads what a step expects.
    mutating func expectations(_ value: YAMLValue, step: String) -> Expectations {
        var reader = ExpectationReader(
            checker: checker, coverage: coverage, step: step, nodes: nodes, plan: plan, diagnoses: diagnoses,
            earlierSteps: expectingSteps, hasControlPlane: profile == nil || isServed, knowsPods: knowsPods,
            endpoints: endpoints)
        let result = Expectations(value, kinds: expectations, by: &reader)
        (checker, coverage) = (reader.checker, reader.coverage)
        counted += reader.countedPods
        return result
    }
}
