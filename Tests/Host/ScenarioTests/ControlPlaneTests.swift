import LabProfiles
import ScenarioReading
import Testing

@testable import Scenario

/// What a lab's file, a scenario and the command line say of the control plane, and where it then is.
@Suite struct ControlPlaneTests {
    struct Change: Sendable, CustomTestStringConvertible {
        let old: String
        let new: String
        /// The message without its place; nil if the lab stays valid.
        let message: String?
        /// The place, if the lab is valid.
        let place: String?

        init(_ old: String, _ new: String, _ message: String?, place: String? = nil) {
            self.old = old
            self.new = new
            self.message = message
            self.place = place
        }

        var testDescription: String { new }
    }

    private static let subnet = "    subnet: control-plane\n"

    static let changes: [Change] = [
        Change("", "", nil, place: "control-plane 10.0.9.4"),
        Change(subnet, "", nil, place: "control-plane 10.0.9.4"),
        Change(subnet, "    subnet: nodes\n", nil, place: "nodes 10.0.0.4"),
        Change(subnet, "    subnet: nodes\n    address: 10.0.0.200\n", nil, place: "nodes 10.0.0.200"),
        Change(subnet, "    address: 10.0.9.9\n", nil, place: "control-plane 10.0.9.9"),
        Change(
            "    subnets:\n      - {name: control-plane, cidr: 10.0.9.0/28}\n",
            "    hosts:\n      - {name: a, address: 10.0.0.4}\n",
            "no subnet \"control-plane\"; expected one of nodes"),
        Change(subnet, "    subnet: contol-plane\n", "no subnet \"contol-plane\"; did you mean \"control-plane\"?"),
        Change(subnet, "    address: 10.0.8.9\n", "10.0.8.9 is not in subnet control-plane"),
        Change(subnet, "    address: 10.0.9.3\n", "the first four addresses of a subnet are the cloud's own"),
        Change(subnet, "    address: 10.0.9.15\n", "the last address of a subnet is its broadcast address"),
        Change(subnet, "    address: 10.0.9.11\n", "the 11th to 74th address of a subnet are the nodes'"),
        Change(subnet, "    address: nine\n", "address must be an address such as 10.0.0.50, but \"nine\" is given"),
        Change(
            "cidr: 10.0.9.0/28}", "cidr: 10.0.9.0/28, routed: false}",
            "the VPC's router is not in subnet control-plane, so that no node of another one reaches it"),
        Change("    enabled: true\n", "", "controlPlane has no \"enabled\"; expected true or false"),
        Change("    enabled: true\n", "    enabled: true\n    version: \"1.20\"\n", nil),
        Change(
            "    enabled: true\n", "    enabled: true\n    version: 1.20.2\n",
            "version must be a series of Kubernetes such as 1.20, but \"1.20.2\" is given"),
        Change(
            "    enabled: true\n", "    enabled: true\n    binaries: ''\n",
            "binaries must be text, but \"\" is given"),
        Change(
            "securityGroups: [control-plane]", "securityGroups: [control-plain]",
            "no security group \"control-plain\"; did you mean \"control-plane\"?"),
        Change(
            "    subnets:\n", "    hosts:\n      - {name: control-plane, address: 10.0.0.4}\n    subnets:\n",
            "\"control-plane\" is a part of the cloud already"),
        Change("    enabled: true\n", "    enabled: true\n    configureCloudRoutes: true\n", nil),
        Change(
            "    subnets:\n", "    routes:\n      - {destination: 172.31.9.0/24, target: node2}\n    subnets:\n", nil),
        Change(
            "    enabled: true\n", "    enabled: true\n    configureCloudRoutes: true\n    cloudController: false\n",
            "the route controller is a part of the cloud controller"),
        Change(
            "    enabled: true\n", "    enabled: true\n    gatewayController: true\n    cloudController: false\n",
            "the gateway controller is a part of the cloud controller"),
    ]

    @Test func `a route controller has the pods' range for itself`() throws {
        let wish = "    enabled: true\n    configureCloudRoutes: true\n"
        let routed = try Self.lab("eks-control-plane", "    enabled: true\n", wish)
        #expect(routed.profile?.controlPlane.cloudController == true)
        func problems(_ old: String, _ new: String) throws -> [String] {
            let text = String(decoding: try #require(LabProfiles.bytes(of: "eks-control-plane")), as: UTF8.self)
                .replacing("    enabled: true\n", with: wish).replacing(old, with: new)
            return ScenarioParser.parseLab(Array(text.utf8), file: "lab.yaml").problems.map(\.description)
        }
        let taken = try problems(
            "    subnets:\n", "    routes:\n      - {destination: 192.168.1.0/24, target: node1}\n    subnets:\n")
        #expect(taken.count == 1 && taken[0].contains("has a route to 192.168.1.0/24 of the pods' range"), "\(taken)")
        let inside = try problems("cidr: 192.168.0.0/16", "cidr: 10.0.128.0/17")
        // In an overlay these addresses are a mistake of their own.
        #expect(inside.count == 2 && inside[1].contains("pods have addresses of the VPC, 10.0.128.0/17"), "\(inside)")
    }

    @Test(arguments: changes)
    func `a change of the lab's file makes one mistake or none`(change: Change) throws {
        let (profile, problems) = try Self.lab("eks-control-plane", change.old, change.new)
        guard let message = change.message else {
            #expect(problems.isEmpty, "\(problems)")
            guard let place = change.place else { return }
            let found = try #require(profile?.controlPlanePlace)
            #expect("\(found.subnet) \(found.address)" == place)
            #expect(!found.isSubnetMade)
            return
        }
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.allSatisfy { $0.description.contains(": " + message) }, "\(problems)")
    }

    private static func lab(
        _ name: String, _ old: String, _ new: String
    ) throws -> (profile: LabProfile?, problems: [Problem]) {
        let text = String(decoding: try #require(LabProfiles.bytes(of: name)), as: UTF8.self)
        #expect(old.isEmpty || text.contains(old))
        let changed = old.isEmpty ? text : text.replacing(old, with: new)
        return ScenarioParser.parseLab(Array(changed.utf8), file: "labs/lab.yaml")
    }

    /// Every lab that ships can have a control plane, at an address that nobody else has.
    @Test(arguments: LabProfiles.names)
    func `there is a place in every profile`(name: String) throws {
        var profile = try #require(try Self.lab(name, "", "").profile)
        let had = profile.controlPlane.enabled
        #expect(had == (name == "eks-control-plane"))
        profile.controlPlane.enabled = true
        let place = try #require(profile.controlPlanePlace)
        #expect(place.cidr.contains(place.address))
        // Pods of eks-eni have addresses of the whole VPC, which leaves no room for a further subnet.
        #expect(place.isSubnetMade == (!had && name != "eks-eni"))
        #expect(!profile.cloud.hosts.contains { $0.address == place.address.description })
        #expect(!profile.nodeAddresses.contains { $0 == place.address })
    }

    @Test func `a VPC that is one subnet has it among the nodes`() throws {
        let changed = try Self.lab("eks-overlay", "subnet: 10.0.0.0/24", "subnet: 10.0.0.0/16")
        var profile = try #require(changed.profile, "\(changed.problems)")
        profile.controlPlane.enabled = true
        let place = try #require(profile.controlPlanePlace)
        #expect("\(place.subnet) \(place.address) \(place.isSubnetMade)" == "nodes 10.0.0.4 false")
        #expect(profile.controlPlaneSecurityGroups == ["nodes"])
    }

    @Test func `a subnet that is made is the last one that is free`() throws {
        var profile = try #require(try Self.lab("eks-overlay", "", "").profile)
        profile.controlPlane.enabled = true
        #expect(profile.controlPlanePlace?.cidr.description == "10.0.255.240/28")
        #expect(profile.controlPlaneAddress == "10.0.255.244")
        profile.cloud.subnets = [
            CloudLayout.Subnet(name: "a", cidr: "10.0.255.0/24", routed: true),
            CloudLayout.Subnet(name: "b", cidr: "10.0.254.128/25", routed: true),
        ]
        #expect(profile.controlPlanePlace?.cidr.description == "10.0.254.112/28")
        profile.cloud.subnets = [CloudLayout.Subnet(name: "all", cidr: "10.0.0.0/16", routed: true)]
        #expect(profile.controlPlanePlace?.subnet == "nodes")
    }

    @Test func `a folder in a file is beside the file, one of the command line is not`() throws {
        func folder(_ overrides: String, _ settings: [Setting] = []) -> String? {
            let text =
                ScenarioText.head + overrides + ScenarioText.workloads
                + "  timeline: [{name: a, expect: {diagnosis: {is: none}}}]\n"
            let parser = ScenarioParser(faults: testFaults, diagnoses: [], profiles: ScenarioLoader.labProfiles)
            let parsed = parser.parse(Array(text.utf8), file: "files/x.yaml", settings: settings)
            #expect(parsed.problems.isEmpty, "\(parsed.problems)")
            #expect(parsed.profile?.controlPlane.enabled == true)
            return parsed.profile?.controlPlane.binaries
        }
        #expect(folder("  overrides: {controlPlane: {enabled: true}}\n") == nil)
        #expect(folder("  overrides: {controlPlane: {enabled: true, binaries: bin}}\n") == "files/bin")
        #expect(folder("  overrides: {controlPlane: {enabled: true, binaries: /bin}}\n") == "/bin")
        let option = Setting(path: "controlPlane.binaries", value: "bin", option: "--control-plane-bin")
        #expect(folder("  overrides: {controlPlane: {enabled: true, binaries: other}}\n", [option]) == "bin")
        #expect(folder("", [option, Setting(path: "controlPlane.enabled", value: "true")]) == "bin")
        let (lab, _) = try Self.lab(
            "eks-control-plane", "    enabled: true\n", "    enabled: true\n    binaries: bin\n")
        #expect(lab?.controlPlane.binaries == "labs/bin")
    }

    @Test func `the command line's mistakes are told with their option`() {
        let text = ScenarioText.step("expect: {diagnosis: {is: none}}")
        let found = ScenarioText.problems(
            text,
            settings: [
                Setting(path: "controlPlane.enabled", value: "maybe"),
                Setting(path: "controlPlane.version", value: "20"),
                Setting(path: "controlPlane.binaries", value: "", option: "--control-plane-bin"),
                Setting(path: "controlPlane.enable", value: "true"),
            ])
        #expect(
            found == [
                "--control-plane-bin:1:1: controlPlane.binaries must be a folder, but \"\" is given; "
                    + "expected a folder with kube-apiserver",
                "--set:1:1: controlPlane.enabled must be true or false, but \"maybe\" is given",
                "--set:1:1: controlPlane.version must be a series of Kubernetes such as 1.20, but \"20\" is given",
                "--set:1:1: unknown path \"controlPlane.enable\"; did you mean \"controlPlane.enabled\"?",
            ], "\(found)")
    }
}
