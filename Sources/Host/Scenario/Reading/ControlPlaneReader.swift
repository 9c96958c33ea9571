import NetAddress
import ScenarioReading

extension LabProfileReader {
    /// What a profile's `controlPlane` says, held against its networks and groups.
    ///
    /// - Parameter file: The file's name, beside which a relative folder of programs is.
    mutating func controlPlane(_ value: YAMLValue?, profile: LabProfile, file: String) -> ControlPlaneLayout {
        guard let value else { return ControlPlaneLayout() }
        var layout = ControlPlaneLayout(enabled: value["enabled"]?.flag ?? false)
        layout.binaries = value["binaries"]?.text.map { ControlPlaneLayout.path($0, beside: file) }
        layout.version = value["version"]?.text
        layout.subnet = value["subnet"]?.text
        layout.autoscaler = value["autoscaler"]?.flag ?? false
        layout.configureCloudRoutes = value["configureCloudRoutes"]?.flag ?? false
        layout.gatewayController = value["gatewayController"]?.flag ?? false
        let needsController = layout.autoscaler || layout.configureCloudRoutes || layout.gatewayController
        layout.cloudController = value["cloudController"]?.flag ?? needsController
        if needsController, !layout.cloudController, let given = value["cloudController"] {
            let part =
                layout.autoscaler
                ? "the autoscaler" : layout.configureCloudRoutes ? "the route controller" : "the gateway controller"
            checker.report(given.place, "\(part) is a part of the cloud controller")
        }
        if layout.configureCloudRoutes, let given = value["configureCloudRoutes"] { checkRoutes(given, profile) }
        layout.address = value["address"]?.text
        if let groups = value["securityGroups"] {
            checkGroups(groups, among: profile.securityGroups)
            layout.securityGroups = groups.texts
        }
        var placed = profile
        placed.controlPlane = layout
        placed.controlPlane.enabled = true
        checkControlPlane(value, placed)
        return layout
    }

    /// Holds the routes that the profile itself has against those that a route controller would make.
    private mutating func checkRoutes(_ value: YAMLValue, _ profile: LabProfile) {
        guard let pods = IPv4CIDR(network: profile.podCIDR) else { return }
        if let vpc = IPv4CIDR(network: profile.vpcCIDR), vpc.overlaps(pods) {
            checker.report(
                value.place, "pods have addresses of the VPC, \(profile.podCIDR), to which there are routes already")
        }
        let other = profile.cloud.routes.first { IPv4CIDR(network: $0.destination)?.overlaps(pods) == true }
        if let other {
            checker.report(
                value.place,
                "the VPC has a route to \(other.destination) of the pods' range, which the route controller "
                    + "would change")
        }
    }

    private mutating func checkControlPlane(_ value: YAMLValue, _ profile: LabProfile) {
        let subnets = [CloudLayout.firstSubnet] + profile.cloud.subnets.map(\.name)
        if let given = value["subnet"], let name = given.text, !subnets.contains(name) {
            return checker.report(
                given.place, "no subnet \"\(name)\"", expected: subnets.sorted().oneOf,
                suggestion: NearestName.of(name, among: subnets))
        }
        if let subnet = profile.cloud.subnets.first(where: { $0.name == (profile.controlPlane.subnet ?? "") }),
            !subnet.routed
        {
            checker.report(
                (value["subnet"] ?? value).place,
                "the VPC's router is not in subnet \(subnet.name), so that no node of another one reaches it")
        }
        // The form of an address is reported elsewhere.
        if let given = profile.controlPlane.address, IPv4Address(given) == nil { return }
        guard let place = profile.controlPlanePlace else {
            let place = value["address"] ?? value["subnet"] ?? value
            guard value["address"] == nil else {
                let name = profile.controlPlane.subnet ?? "control-plane, which the VPC does not have"
                return checker.report(
                    place.place, "\(profile.controlPlane.address ?? "") is not in subnet \(name)")
            }
            return checker.report(place.place, "there is no free address for the control plane")
        }
        guard let given = value["address"] else { return }
        let offset = place.address.rawValue &- place.cidr.address.rawValue
        if place.address == place.cidr.broadcast {
            checker.report(given.place, "the last address of a subnet is its broadcast address")
        } else if offset < 4 {
            checker.report(given.place, "the first four addresses of a subnet are the cloud's own")
        } else if (10...10 + UInt32(LabProfile.mostNodes)).contains(offset) {
            checker.report(given.place, "the 11th to 74th address of a subnet are the nodes'")
        } else if profile.cloud.hosts.contains(where: { $0.address == place.address.description }) {
            checker.report(given.place, "address \(place.address) is a host's")
        }
    }
}

extension ControlPlaneLayout {
    /// A folder as seen from the working directory, when a file names it as seen from its own folder.
    static func path(_ folder: String, beside file: String) -> String {
        folder.hasPrefix("/") ? folder : SourceFile.folder(of: file) + folder
    }
}
