import CloudAPI
import Fabric
import Foundation
import NetAddress
import Scenario
import VPCServices

/// The cloud's interface service. It carries out, on the fabric and the machines, what nodes ask for at the metadata
/// address.
///
/// There is one change at a time. A change that the machine or the fabric refuses is taken back.
public actor CloudInterfaces {
    private let plan: LabPlan
    private let fabric: Fabric
    private var ledger: InterfaceLedger
    private var machines: [String: any NodeMachine] = [:]
    private var isChanging = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var taps: [String: String] = [:]

    init(_ plan: LabPlan, fabric: Fabric) throws(LabError) {
        self.plan = plan
        self.fabric = fabric
        ledger = try plan.ledger()
    }

    /// Tells the service a node's machine. Without it no interface can be plugged into the node.
    public func use(_ machine: any NodeMachine, for node: String) { machines[node] = machine }

    /// The interfaces of a node as they are now, by device index.
    public func interfaces(of node: String) -> [CloudInterface] {
        ledger.attached(to: node).map { ledger.describe($0) }
    }

    /// Gives a stopped node another instance type. Its interfaces stay.
    func resize(_ node: String, to type: String, _ limits: InstanceLimits) throws(LabError) {
        do throws(CloudFailure) {
            try ledger.resize(node, to: type, limits)
        } catch {
            throw LabError(.plan, "\(node) cannot become a \(type): \(error)")
        }
    }

    /// Gives a node's machine another id.
    func rename(_ node: String, instanceID: String) { ledger.rename(node, instanceID: instanceID) }

    /// All interfaces and what is free, each as a line of text, so that the state before a fault and after it can be
    /// compared.
    public func state() -> [String] {
        ledger.interfaces.values.map { interface in
            let device = interface.deviceIndex.map { "device \($0)" } ?? "unattached"
            let addresses = [interface.primary.description] + interface.secondary.map(\.description)
            return "\(interface.id) \(interface.node) \(device) \(interface.subnet) "
                + (addresses + interface.prefixes.map(\.description)).joined(separator: ",")
        }.sorted()
    }

    // MARK: HTTP

    func answer(_ request: HTTPRequest) async -> HTTPResponse {
        guard let address = IPv4Address(request.peer), let node = ledger.node(at: address) else {
            return HTTPResponse(status: 404, text: "no instance has \(request.peer)\n")
        }
        switch (request.method, request.target) {
        case ("GET", _): return metadata(request.target, node)
        case ("PUT", "/latest/api/token"):
            // Version 2 of the service wants a token with each request. Version 1, which wants none, is enabled too, as
            // by default in AWS.
            return HTTPResponse(text: "lab-\(node.instanceID)")
        case ("POST", CloudService.path): return await service(request.body, node)
        default: return HTTPResponse(status: 405, text: "\(request.method) \(request.target)\n")
        }
    }

    private func metadata(_ target: String, _ node: InterfaceLedger.Node) -> HTTPResponse {
        let publicAddress = plan.node(node.name).flatMap { $0.publicAddress.isEmpty ? nil : $0.publicAddress }
        let text = InstanceMetadata.text(target, instance: ledger.describe(node), publicAddress: publicAddress)
        return text.map { HTTPResponse(text: $0) } ?? HTTPResponse(status: 404, text: "")
    }

    private func service(_ body: [UInt8], _ node: InterfaceLedger.Node) async -> HTTPResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            guard let request = try? JSONDecoder().decode(CloudRequest.self, from: Data(body)) else {
                throw CloudFailure(.invalidParameterValue, "the body is no request")
            }
            let reply = try await perform(request, for: node)
            return HTTPResponse(contentType: "application/json", body: Array(try encoder.encode(reply)))
        } catch {
            let failure = error as? CloudFailure ?? CloudFailure(.internalError, "\(error)")
            let body = (try? encoder.encode(failure)).map { Array($0) } ?? []
            return HTTPResponse(status: 400, contentType: "application/json", body: body)
        }
    }

    // MARK: Actions

    private func perform(_ request: CloudRequest, for node: InterfaceLedger.Node) async throws -> CloudReply {
        switch request.action {
        case .describeInstance: return CloudReply(instance: ledger.describe(node))
        case .describeSubnets: return CloudReply(subnets: ledger.describeSubnets())
        default: break
        }
        await begin()
        defer { end() }
        let before = ledger
        do {
            let interface = try await change(request, for: node)
            return CloudReply(interface: ledger.describe(interface))
        } catch {
            ledger = before
            throw error
        }
    }

    private func change(
        _ request: CloudRequest, for node: InterfaceLedger.Node
    ) async throws -> InterfaceLedger.Interface {
        switch request.action {
        case .createNetworkInterface: return try ledger.create(request, for: node)
        case .deleteNetworkInterface: return try ledger.delete(request.networkInterfaceID, of: node)
        case .attachNetworkInterface:
            let interface = try ledger.attach(request.networkInterfaceID, at: request.deviceIndex, to: node)
            try await plug(interface)
            return interface
        case .detachNetworkInterface:
            let interface = try ledger.detach(request.networkInterfaceID, from: node)
            try await unplug(interface)
            return interface
        case .assignPrivateIpAddresses, .unassignPrivateIpAddresses:
            let assigns = request.action == .assignPrivateIpAddresses
            let interface = try assigns ? ledger.assign(request, for: node) : ledger.unassign(request, for: node)
            if interface.deviceIndex != nil {
                try await fabric.setSecondaryAddresses(interface.secondaryAddresses, of: interface.id)
            }
            return interface
        case .describeInstance, .describeSubnets:
            throw CloudFailure(.internalError, "\(request.action.rawValue) changes nothing")
        }
    }

    private func plug(_ interface: InterfaceLedger.Interface) async throws {
        guard let machine = machines[interface.node] else {
            throw CloudFailure(.internalError, "\(interface.node) has no machine")
        }
        let tap = taps[interface.id] ?? "eni\(taps.count + 1)"
        taps[interface.id] = tap
        try await fabric.attachNIC(
            NICSpec(
                interfaceID: interface.id, node: interface.node, tap: tap, mac: interface.mac,
                address: interface.primary, subnet: interface.subnet, groups: interface.groups,
                sourceDestinationCheck: plan.profile.sourceDestinationCheck,
                secondaryAddresses: interface.secondaryAddresses))
        do {
            try await machine.attachInterface(tap: tap, mac: interface.mac.description)
        } catch {
            try await fabric.detachNIC(interface.id)
            throw error
        }
    }

    private func unplug(_ interface: InterfaceLedger.Interface) async throws {
        guard let machine = machines[interface.node] else {
            throw CloudFailure(.internalError, "\(interface.node) has no machine")
        }
        try await machine.detachInterface(mac: interface.mac.description)
        try await fabric.detachNIC(interface.id)
    }

    // MARK: One at a time

    private func begin() async {
        guard isChanging else {
            isChanging = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func end() {
        // The turn passes directly to the next one that waits, so nobody can come in between.
        if waiting.isEmpty { isChanging = false } else { waiting.removeFirst().resume() }
    }
}

extension LabPlan {
    /// The id of a node's machine as the lab begins.
    func instanceID(of node: Node) -> String { "i-" + node.interfaceID.dropFirst(4) }

    /// The cloud's records as the lab begins.
    func ledger() throws(LabError) -> InterfaceLedger {
        let spec = try fabricSpec(outputDirectory: nil)
        let hosts = spec.cloud?.hosts ?? []
        guard let vpc = spec.cloud?.vpc, let limits = InstanceLimits.byType[profile.cloud.instanceType] else {
            throw LabError(.plan, "lab \(profile.name): unknown instance type \(profile.cloud.instanceType)")
        }
        var interfaces: [InterfaceLedger.Interface] = []
        for node in nodes {
            for (index, nic) in try nics(of: node).enumerated() {
                interfaces.append(
                    InterfaceLedger.Interface(
                        id: nic.interfaceID, node: node.name, mac: nic.mac, subnet: nic.subnet, primary: nic.address,
                        groups: nic.groups, deviceIndex: index))
            }
        }
        return InterfaceLedger(
            vpc: vpc,
            subnets: spec.subnets.map { subnet in
                InterfaceLedger.Subnet(
                    id: subnet.name, cidr: subnet.cidr, gateway: subnet.gateway,
                    reserved: hosts.filter { $0.subnet == subnet.name }.map(\.address))
            },
            nodes: nodes.map { node in
                InterfaceLedger.Node(
                    name: node.name, instanceID: instanceID(of: node), type: profile.cloud.instanceType,
                    limits: limits)
            }, interfaces: interfaces, groups: Set(profile.securityGroups.map(\.name)))
    }
}
