import DatapathOptions
import NetAddress
import ScenarioReading

/// Reads `kind: Lab`.
struct LabProfileReader {
    var checker: ShapeChecker
    private let file: String
    /// Mistakes of the file that `images` names.
    private var others: [Problem] = []

    /// The profile, if the file has no mistake.
    static func read(_ bytes: [UInt8], file: String) -> (profile: LabProfile?, problems: [Problem]) {
        let reading = YAMLReading(bytes, file: file)
        var reader = LabProfileReader(checker: ShapeChecker(file: file), file: file)
        guard let document = reading.documents.first else {
            if reading.problems.isEmpty { reader.checker.report(Place(line: 1, column: 1), "the file is empty") }
            return (nil, (reading.problems + reader.checker.problems).sorted())
        }
        if reading.documents.count > 1 {
            reader.checker.report(reading.documents[1].place, "a lab file has one document only")
        }
        reader.checker.check(document, LabShape.document, "the file")
        let profile = reader.profile(document)
        let problems = (reading.problems + reader.checker.problems + reader.others).sorted()
        return (problems.isEmpty ? profile : nil, problems)
    }

    private init(checker: ShapeChecker, file: String) {
        self.checker = checker
        self.file = file
    }

    private mutating func profile(_ document: YAMLValue) -> LabProfile {
        let spec = document["spec"]
        let nodes = spec?["nodes"]
        let groups = securityGroups(spec?["securityGroups"])
        var profile = LabProfile(
            name: document["metadata"]?["name"]?.text ?? "", title: document["metadata"]?["title"]?.text ?? "",
            vpcCIDR: spec?["vpc"]?["cidr"]?.text ?? "", subnetCIDR: spec?["vpc"]?["subnet"]?.text ?? "",
            nodeCount: nodes?["count"]?.integer ?? 1, nodePrefix: nodes?["prefix"]?.text ?? "node",
            kernel: nodes?["kernel"]?.text ?? "", memoryMiB: nodes?["memoryMiB"]?.integer ?? 128,
            podCIDR: spec?["pods"]?["cidr"]?.text ?? "", podMaskSize: spec?["pods"]?["maskSize"]?.integer ?? 24,
            serviceCIDR: spec?["services"]?["cidr"]?.text ?? LabProfile.usualServiceCIDR, securityGroups: groups,
            nodeSecurityGroups: nodes?["securityGroups"]?.texts ?? [],
            sourceDestinationCheck: nodes?["sourceDestinationCheck"]?.flag ?? true,
            datapathValues: checker.datapathValues(spec?["datapath"]?["values"]))
        profile.cloudPlugin = nodes?["cloudPlugin"]?.text.flatMap { LabProfile.CloudPlugin(rawValue: $0) } ?? .none
        profile.kubelet = nodes?["kubelet"]?.text.flatMap { NodeKubeletKind(rawValue: $0) } ?? .light
        profile.kubeProxy.enabled = spec?["kubeProxy"]?["enabled"]?.flag ?? false
        profile.writesPodCIDR = spec?["pods"]?["writesPodCIDR"]?.flag ?? true
        readMembership(nodes, into: &profile)
        checkGroups(nodes?["securityGroups"], among: groups)
        checkNetworks(profile, spec)
        profile.cloud = cloud(spec, profile: profile)
        profile.controlPlane = controlPlane(spec?["controlPlane"], profile: profile, file: file)
        checkTaints(nodes, profile)
        checkEviction(nodes, profile)
        if let given = spec?["images"], let path = given.text, !path.isEmpty {
            profile.images = readImages(ControlPlaneLayout.path(path, beside: file), at: given.place)
        }
        let install = spec?["datapath"]?["install"]
        profile.installation.kind = install?.text.flatMap { DatapathInstallation.Kind(rawValue: $0) } ?? .process
        profile.installation.placement = DatapathInstallation.placement(spec?["datapath"]?["daemonSet"])
        if let install, let mistake = profile.installationMistake() {
            checker.report(install.place, mistake.message, expected: mistake.expected)
        }
        if let kubelet = nodes?["kubelet"], let mistake = profile.kubeletMistake {
            checker.report(kubelet.place, mistake.message, expected: mistake.expected)
        }
        let values = spec?["datapath"]?["values"]
        let leaves = checker.leaves(of: values, path: "")
        for mistake in profile.valueMistakes() {
            let leaf = leaves.first { $0.path == mistake.option }
            checker.report(
                leaf?.value.place ?? values?.place ?? document.place, mistake.message, expected: mistake.expected)
        }
        return profile
    }

    private mutating func readImages(_ path: String, at place: Place) -> UserImages? {
        let (images, problems) = UserImagesReader.read(path)
        others += problems
        if images == nil { checker.report(place, UserImagesReader.summary(of: problems, in: path)) }
        return images
    }

    /// The groups of an interface: each of the lab, and given once.
    mutating func checkGroups(_ value: YAMLValue?, among groups: [LabProfile.SecurityGroup]) {
        let names = groups.map(\.name)
        var seen: Set<String> = []
        for item in value?.oneOrMore ?? [] {
            guard let name = item.text else { continue }
            if !seen.insert(name).inserted {
                checker.report(item.place, "security group \"\(name)\" is given twice")
            } else if !names.contains(name) {
                checker.report(
                    item.place, "no security group \"\(name)\"", expected: names.isEmpty ? nil : names.oneOf,
                    suggestion: NearestName.of(name, among: names))
            }
        }
    }

    private mutating func checkReserved(_ value: YAMLValue?) {
        guard let value, let network = value.text.flatMap({ IPv4CIDR(network: $0) }) else { return }
        for reserved in ReservedNetwork.all where reserved.cidr.overlaps(network) {
            checker.report(
                value.place,
                "\(network) overlaps \(reserved.cidr) (\(reserved.name)), whose addresses hosts cannot have",
                expected: "a network such as 10.0.0.0/16")
        }
    }

    private mutating func checkNetworks(_ profile: LabProfile, _ spec: YAMLValue?) {
        guard let vpc = IPv4CIDR(network: profile.vpcCIDR), let subnet = IPv4CIDR(network: profile.subnetCIDR),
            let pods = IPv4CIDR(network: profile.podCIDR), let spec
        else { return }
        for value in [spec["vpc"]?["cidr"], spec["pods"]?["cidr"], spec["services"]?["cidr"]] { checkReserved(value) }
        let subnetPlace = spec["vpc"]?["subnet"]?.place ?? spec.place
        if !vpc.contains(subnet) {
            checker.report(subnetPlace, "subnet \(profile.subnetCIDR) is not within the VPC's \(profile.vpcCIDR)")
        }
        // With addresses from the cloud's interfaces, pods are in the VPC.
        if pods.overlaps(vpc), profile.datapathValues["ipam.mode"] != "eni" {
            checker.report(
                spec["pods"]?["cidr"]?.place ?? spec.place,
                "the pods' \(profile.podCIDR) overlaps the VPC's \(profile.vpcCIDR)")
        }
        if let services = IPv4CIDR(network: profile.serviceCIDR) {
            for (name, other) in [("VPC's \(profile.vpcCIDR)", vpc), ("pods' \(profile.podCIDR)", pods)]
            where services.overlaps(other) {
                checker.report(
                    (spec["services"]?["cidr"] ?? spec).place,
                    "the services' \(profile.serviceCIDR) overlaps the \(name)")
            }
        }
        if profile.podMaskSize < pods.prefixLength {
            checker.report(
                spec["pods"]?["maskSize"]?.place ?? spec.place,
                "a node's share /\(profile.podMaskSize) is larger than the pods' \(profile.podCIDR)")
        }
        if let mistake = profile.capacityMistake() {
            checker.report(spec["nodes"]?["count"]?.place ?? spec.place, mistake)
        }
    }

    private mutating func securityGroups(_ value: YAMLValue?) -> [LabProfile.SecurityGroup] {
        var groups: [LabProfile.SecurityGroup] = []
        let names = (value?.items ?? []).compactMap { $0["name"]?.text }
        for item in value?.items ?? [] {
            let name = item["name"]?.text ?? ""
            if groups.contains(where: { $0.name == name }) {
                checker.report(item["name"]?.place ?? item.place, "security group \"\(name)\" is given twice")
            }
            var rules: [LabProfile.Rule] = []
            for rule in item["rules"]?.items ?? [] {
                let read = self.rule(rule, groups: names)
                if rules.contains(where: { $0.name == read.name }) {
                    checker.report(rule["name"]?.place ?? rule.place, "rule \"\(read.name)\" is given twice")
                }
                rules.append(read)
            }
            groups.append(LabProfile.SecurityGroup(name: name, rules: rules))
        }
        return groups
    }

    private mutating func rule(_ value: YAMLValue, groups: [String]) -> LabProfile.Rule {
        let rule = LabProfile.Rule(
            name: value["name"]?.text ?? "", direction: value["direction"]?.text ?? "",
            protocol: value["protocol"]?.text ?? "", ports: value["ports"]?.text.flatMap(Units.ports),
            peer: value["peer"]?.text ?? "")
        if let ports = value["ports"], ["icmp", "all"].contains(rule.protocol) {
            checker.report(ports.place, "protocol \(rule.protocol) has no ports")
        }
        if let peer = value["peer"], !["self", "any"].contains(rule.peer), !groups.contains(rule.peer),
            IPv4CIDR(network: rule.peer) == nil
        {
            checker.report(
                peer.place, "unknown peer \"\(rule.peer)\"", expected: "self, any, a group's name or a network",
                suggestion: NearestName.of(rule.peer, among: groups + ["self", "any"]))
        }
        return rule
    }
}

extension LabProfile {
    private static func nodes(_ count: Int) -> String { count == 1 ? "1 node" : "\(count) nodes" }

    /// Why the networks do not hold so many nodes; nil when they do.
    func capacityMistake() -> String? {
        if let subnet = IPv4CIDR(network: subnetCIDR), subnet.prefixLength > 0 {
            // Broadcast is the last address; nodes begin at the 11th.
            let room = (1 << (32 - subnet.prefixLength)) - 1 - LabShape.firstNodeOffset
            if nodeCount > room {
                return "subnet \(subnetCIDR) has room for \(Self.nodes(max(0, room))), not \(nodeCount)"
            }
        }
        if let pods = IPv4CIDR(network: podCIDR), podMaskSize >= pods.prefixLength, podMaskSize <= 32 {
            // The first share stays free: node1 has the second.
            let room = (1 << (podMaskSize - pods.prefixLength)) - 1
            if nodeCount > room {
                return "\(podCIDR) has room for \(Self.nodes(room)) with a /\(podMaskSize) each, not \(nodeCount)"
            }
        }
        return nil
    }
}

extension ShapeChecker {
    /// Flattens a Helm values block: `bpf: {masquerade: true}` is `bpf.masquerade`; lists join with commas.
    mutating func datapathValues(_ tree: YAMLValue?) -> [String: String] {
        var result: [String: String] = [:]
        for (path, place, value) in leaves(of: tree, path: "") {
            guard let text = datapathValue(path, value, place) else { continue }
            if result.updateValue(text, forKey: path) != nil { report(place, "\(path) is given twice") }
        }
        return result
    }

    /// The text of a value of the datapath, after its mistakes are reported. Nil for what gives an option no value.
    mutating func datapathValue(_ name: String, _ value: YAMLValue, _ keyPlace: Place) -> String? {
        if case .map = value.content {
            if OptionCatalogue.isOption(name) {
                report(
                    value.place, "datapath value \(name) cannot be an empty mapping",
                    expected: OptionCatalogue[name]?.type.expected)
            } else if !OptionCatalogue.names.contains(where: { $0.hasPrefix(name + ".") }) {
                checkDatapathValue(name, "", keyPlace, value.place)
            }
            return nil
        }
        guard value.isTreeLeaf else { return nil }
        let text = value.items.isEmpty ? value.text ?? "" : value.texts.joined(separator: ",")
        checkDatapathValue(name, text, keyPlace, value.place)
        return text
    }

    /// Reports a value that cannot be taken: a name that is unknown at the key, everything else at the value.
    mutating func checkDatapathValue(_ name: String, _ text: String, _ keyPlace: Place, _ valuePlace: Place) {
        guard let mistake = DatapathValueMistake(name: name, value: text) else { return }
        report(
            mistake.isAboutName ? keyPlace : valuePlace, mistake.message, expected: mistake.expected,
            suggestion: mistake.suggestion)
    }

    /// What lies at the ends of a tree, by dotted path, with the place of its last key. An empty mapping is an end.
    func leaves(of tree: YAMLValue?, path: String) -> [(path: String, place: Place, value: YAMLValue)] {
        (tree?.entries ?? []).flatMap { entry -> [(path: String, place: Place, value: YAMLValue)] in
            let path = path.isEmpty ? entry.key : path + "." + entry.key
            if !entry.value.entries.isEmpty { return leaves(of: entry.value, path: path) }
            return [(path, entry.keyPlace, entry.value)]
        }
    }
}
