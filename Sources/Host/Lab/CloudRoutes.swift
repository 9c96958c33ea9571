import CloudAPI
import Fabric
import NetAddress

/// The VPC's route table, as the account service changes it. In a lab it is the fabric's.
protocol RouteTable: Sendable {
    var routeTable: [RouteSpec] { get async }
    func addRoute(_ route: RouteSpec) async throws
    func removeRoute(to destination: IPv4CIDR) async throws
}

extension Fabric: RouteTable {}

/// Routes of the VPC by the machines that they lead to, for whoever may ask the account service.
struct CloudRoutes: Sendable {
    private let plan: LabPlan
    private let table: any RouteTable

    init(_ plan: LabPlan, _ table: any RouteTable) {
        self.plan = plan
        self.table = table
    }

    /// All routes of the table.
    ///
    /// - Parameter machines: All machines that there are or have been.
    func described(_ machines: [CloudMachine]) async -> [CloudRoute] {
        await table.routeTable.map { route in
            let node = plan.nodes.first { node in
                node.interfaceID == route.interfaceID
                    || node.further.contains { $0.interfaceID == route.interfaceID }
            }
            let machine = machines.last { $0.node == node?.name && $0.state != .terminated }
            return CloudRoute(
                destination: route.destination.description, instanceID: machine?.instanceID ?? "",
                state: machine?.state == .running ? .active : .blackhole)
        }
    }

    /// - Throws: `CloudFailure`.
    func create(_ route: CloudRoute, _ machines: [CloudMachine]) async throws {
        let destination = try destination(of: route)
        guard
            let machine = machines.last(where: { $0.instanceID == route.instanceID && $0.state != .terminated }),
            let node = plan.node(machine.node)
        else {
            throw CloudFailure(
                .invalidInstanceNotFound, "The instance ID '\(route.instanceID)' does not exist")
        }
        let present = await table.routeTable
        guard present.count < CloudRoute.mostRoutes else {
            throw CloudFailure(
                .routeLimitExceeded,
                "The maximum number of routes per table, \(CloudRoute.mostRoutes), has been reached")
        }
        do {
            try await table.addRoute(RouteSpec(destination: destination, interfaceID: node.interfaceID))
        } catch let error as FabricError where error.code == .exists {
            throw CloudFailure(
                .routeAlreadyExists, "The route identified by \(destination) already exists: \(error)")
        } catch let error as FabricError where error.code == .invalid || error.code == .unsupported {
            throw CloudFailure(.invalidParameterValue, "\(error)")
        }
    }

    /// - Throws: `CloudFailure`.
    func delete(_ route: CloudRoute) async throws {
        let destination = try destination(of: route)
        do {
            try await table.removeRoute(to: destination)
        } catch let error as FabricError where error.code == .unknown {
            throw CloudFailure(
                .invalidRouteNotFound, "no route with destination-cidr-block \(destination) in the route table")
        }
    }

    private func destination(of route: CloudRoute) throws(CloudFailure) -> IPv4CIDR {
        guard let destination = IPv4CIDR(network: route.destination) else {
            throw CloudFailure(
                .invalidParameterValue,
                "Value (\(route.destination.prefix(64))) for parameter destinationCidrBlock is invalid. This is not a "
                    + "valid CIDR block.")
        }
        return destination
    }
}
