import CloudAPI
import Foundation
import Scenario
import VPCServices

/// Machines that the cloud can start and end. In a lab they are those of the plan.
protocol MachineReserve: AnyObject, Sendable {
    /// Whether the machine is a part of the cluster, by whoever's wish.
    func isThere(_ node: String) -> Bool
    func isPowered(_ node: String) async -> Bool
    /// Starts the machine, and returns when its agent runs.
    func start(_ node: String, _ data: KubeletUserData) async throws
    /// Ends it without a farewell.
    func end(_ node: String) async throws
}

/// The ids of machines, by which a node's metadata and the account service name the same one.
protocol MachineIdentities: Sendable {
    /// Gives a node's machine another id.
    func rename(_ node: String, instanceID: String) async
}

extension CloudInterfaces: MachineIdentities {}

/// The cloud's account service: what the control plane may ask of machines, load balancers and routes.
///
/// A machine is started or ended at a time; further ones wait, and are told as `pending` or `shutting-down` meanwhile.
public actor CloudMachines {
    private let plan: LabPlan
    private let identities: any MachineIdentities
    /// The cluster, which has this cloud.
    private weak var reserve: (any MachineReserve)?
    /// Oldest first. A node has at most one that is not terminated.
    private var machines: [CloudMachine] = []
    /// How many machines have ended.
    private var ended = 0
    /// The ids of nodes' machines that are not those of the lab's beginning.
    private var ids: [String: String] = [:]
    private var last: Task<Void, Never>?
    private let balancers: LoadBalancers?
    private let routes: CloudRoutes?

    /// How many machines that have ended are remembered.
    private static let mostEnded = 256
    static let capacity = ["cpu": "4", "memory": "8Gi", "ephemeral-storage": "20Gi", "pods": "110"]

    init(
        _ plan: LabPlan, _ identities: any MachineIdentities, balancers: LoadBalancers? = nil,
        routes: (any RouteTable)? = nil
    ) {
        self.routes = routes.map { CloudRoutes(plan, $0) }
        self.plan = plan
        self.identities = identities
        self.balancers = balancers
    }

    func use(_ reserve: any MachineReserve) { self.reserve = reserve }

    // MARK: HTTP

    func answer(_ request: HTTPRequest) async -> HTTPResponse {
        guard request.peer == plan.profile.controlPlaneAddress else {
            return Self.response(
                CloudFailure(.operationNotPermitted, "\(request.peer) is not the control plane's address"))
        }
        guard request.method == "POST" else { return HTTPResponse(status: 405, text: "\(request.method)\n") }
        do {
            guard let asked = try? JSONDecoder().decode(AccountRequest.self, from: Data(request.body)) else {
                throw CloudFailure(.invalidParameterValue, "the body is no request")
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            let body = try encoder.encode(try await perform(asked))
            return HTTPResponse(contentType: "application/json", body: Array(body))
        } catch {
            return Self.response(error as? CloudFailure ?? CloudFailure(.internalError, "\(error)"))
        }
    }

    private static func response(_ failure: CloudFailure) -> HTTPResponse {
        let body = (try? JSONEncoder().encode(failure)).map { Array($0) } ?? []
        return HTTPResponse(status: 400, contentType: "application/json", body: body)
    }

    // MARK: Actions

    func perform(_ request: AccountRequest) async throws -> AccountReply {
        switch request.action {
        case .describeInstances: return AccountReply(machines: try await described())
        case .describeInstanceTypes: return AccountReply(types: [type])
        case .runInstances: return AccountReply(machines: [try await launch(request)])
        case .terminateInstances: return AccountReply(machines: [try await terminate(request)])
        case .describeLoadBalancers: return AccountReply(loadBalancers: await balancers?.all ?? [])
        case .putLoadBalancer, .deleteLoadBalancer:
            guard let balancer = request.loadBalancer else {
                throw CloudFailure(.invalidParameterValue, "the request names no load balancer")
            }
            guard let balancers else {
                throw CloudFailure(.operationNotPermitted, "the lab has no load balancers")
            }
            guard request.action == .putLoadBalancer else {
                await balancers.delete(balancer.name)
                return AccountReply()
            }
            return AccountReply(loadBalancers: [try await balancers.put(balancer)])
        case .describeRouteTables: return AccountReply(routes: await routes?.described(try await described()) ?? [])
        case .createRoute, .deleteRoute: return try await change(request)
        }
    }

    private func change(_ request: AccountRequest) async throws -> AccountReply {
        guard let route = request.route else {
            throw CloudFailure(.invalidParameterValue, "the request names no route")
        }
        guard let routes else { throw CloudFailure(.operationNotPermitted, "the lab has no route table") }
        if request.action == .createRoute {
            try await routes.create(route, try await described())
        } else {
            try await routes.delete(route)
        }
        return AccountReply()
    }

    private var type: CloudMachineType {
        CloudMachineType(
            name: plan.profile.cloud.instanceType, zone: InstanceMetadata.zone, region: InstanceMetadata.region,
            capacity: Self.capacity, allocatable: Self.capacity)
    }

    /// All machines in the state in which they are: a node may have joined or left by somebody else's wish.
    private func described() async throws -> [CloudMachine] {
        // An empty list would say that there are no machines.
        guard let reserve else { throw CloudFailure(.internalError, "the lab has not booted yet") }
        for node in plan.nodes {
            guard let known = machines.last(where: { $0.node == node.name && $0.state != .terminated }) else {
                if reserve.isThere(node.name) { machines.append(machine(node)) }
                continue
            }
            // One that starts or ends is told when it has.
            guard ![.pending, .shuttingDown].contains(known.state) else { continue }
            let isPowered = await reserve.isPowered(node.name)
            // Another request may have begun to end it meanwhile.
            guard let index = machines.lastIndex(where: { $0.instanceID == known.instanceID }),
                ![.pending, .shuttingDown, .terminated].contains(machines[index].state)
            else { continue }
            machines[index].state = !reserve.isThere(node.name) ? .terminated : isPowered ? .running : .stopped
            if machines[index].state == .terminated { await renew(node.name) }
        }
        var surplus = machines.count { $0.state == .terminated } - Self.mostEnded
        if surplus > 0 {
            machines.removeAll { machine in
                guard machine.state == .terminated, surplus > 0 else { return false }
                surplus -= 1
                return true
            }
        }
        return machines
    }

    private func machine(_ node: LabPlan.Node) -> CloudMachine {
        CloudMachine(
            instanceID: ids[node.name] ?? plan.instanceID(of: node), node: node.name, state: .running,
            instanceType: plan.profile.cloud.instanceType, zone: InstanceMetadata.zone,
            region: InstanceMetadata.region, privateAddress: node.address, publicAddress: node.publicAddress,
            privateName: node.name + ".internal")
    }

    private func launch(_ request: AccountRequest) async throws -> CloudMachine {
        // Those that are there come before the one that is launched.
        _ = try await described()
        let token = request.clientToken ?? ""
        if !token.isEmpty, let known = machines.first(where: { $0.clientToken == token }) { return known }
        guard let reserve else { throw CloudFailure(.internalError, "the lab has not booted yet") }
        guard request.instanceType ?? type.name == type.name else {
            throw CloudFailure(.invalidParameterValue, "the lab has no machines of type \(request.instanceType ?? "")")
        }
        let free = plan.nodes.first { node in
            !reserve.isThere(node.name) && !machines.contains { $0.node == node.name && $0.state != .terminated }
        }
        guard let free else {
            throw CloudFailure(
                .insufficientInstanceCapacity,
                "We currently do not have sufficient \(type.name) capacity in the Availability Zone you requested "
                    + "(\(type.zone)).")
        }
        var made = machine(free)
        made.state = .pending
        made.clientToken = token
        machines.append(made)
        let (id, data) = (made.instanceID, request.kubelet ?? KubeletUserData())
        inTurn { machines in
            do {
                try await reserve.start(free.name, data)
                await machines.note(id, .running)
            } catch {
                // A node may be there whose agent is late. Its machine runs, and is somebody's to end.
                await machines.note(id, reserve.isThere(free.name) ? .running : .terminated, "\(error)")
            }
        }
        return made
    }

    private func terminate(_ request: AccountRequest) async throws -> CloudMachine {
        guard let index = machines.lastIndex(where: { $0.instanceID == request.instanceID }), let reserve else {
            throw CloudFailure(
                .invalidInstanceNotFound, "The instance ID '\(request.instanceID ?? "")' does not exist")
        }
        guard ![.terminated, .shuttingDown].contains(machines[index].state) else { return machines[index] }
        machines[index].state = .shuttingDown
        let (id, node) = (machines[index].instanceID, machines[index].node)
        inTurn { machines in
            do {
                if reserve.isThere(node) { try await reserve.end(node) }
                await machines.note(id, .terminated)
            } catch {
                await machines.note(id, reserve.isThere(node) ? .running : .terminated, "\(error)")
            }
        }
        return machines[index]
    }

    private func note(_ id: String, _ state: CloudMachine.State, _ reason: String = "") async {
        guard let index = machines.lastIndex(where: { $0.instanceID == id }) else { return }
        // A machine that is to end ends, even if it has just come.
        guard machines[index].state != .shuttingDown || state == .terminated || !reason.isEmpty else { return }
        machines[index].state = state
        machines[index].stateReason = String(reason.prefix(500))
        if state == .terminated { await renew(machines[index].node) }
    }

    /// Gives the next machine of a node another id than that of the one which has ended, whoever starts it: what is
    /// said of the one is not to be taken for the other.
    private func renew(_ node: String) async {
        guard let planned = plan.node(node) else { return }
        ended += 1
        let id = Self.instanceID(plan.instanceID(of: planned), ended)
        ids[node] = id
        await identities.rename(node, instanceID: id)
    }

    private func inTurn(_ body: @escaping @Sendable (CloudMachines) async -> Void) {
        let before = last
        last = Task { [weak self] in
            await before?.value
            guard let self, !Task.isCancelled else { return }
            await body(self)
        }
    }

    /// An id that differs from those of the machines which the node had before.
    private static func instanceID(_ id: String, _ number: Int) -> String {
        let digits = String(number & 0xFFFF, radix: 16)
        return id.dropLast(4) + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
