import CloudAPI
import NetAddress
import Scenario
import Synchronization
import Testing

@testable import Fabric
@testable import Lab

/// What the control plane may ask of the lab's machines.
@Suite struct CloudMachinesTests {
    /// Machines that start and end when the test says so.
    private final class Reserve: MachineReserve, MachineIdentities {
        struct State {
            var present: Set<String> = ["node1", "node2"]
            var dark: Set<String> = []
            var failing: Set<String> = []
            /// Nodes that are there, and whose agents do not come.
            var late: Set<String> = []
            var ids: [String: String] = [:]
            var given: [String: KubeletUserData] = [:]
            var atOnce = 0
            var mostAtOnce = 0
        }
        let state = Mutex(State())

        func isThere(_ node: String) -> Bool { state.withLock { $0.present.contains(node) } }
        func isPowered(_ node: String) async -> Bool { state.withLock { !$0.dark.contains(node) } }
        func start(_ node: String, _ data: KubeletUserData) async throws {
            state.withLock {
                $0.atOnce += 1
                $0.mostAtOnce = max($0.mostAtOnce, $0.atOnce)
                $0.given[node] = data
            }
            await Task.yield()
            try state.withLock {
                $0.atOnce -= 1
                if $0.failing.contains(node) { throw LabError(.nodeFailed, "\(node) ended while it booted") }
                $0.present.insert(node)
                if $0.late.contains(node) { throw LabError(.notReady, "the agent of \(node) is late") }
            }
        }
        func end(_ node: String) async throws { state.withLock { _ = $0.present.remove(node) } }
        func rename(_ node: String, instanceID: String) async { state.withLock { $0.ids[node] = instanceID } }
    }

    /// The route table of a VPC of 10.0.0.0/16.
    private final class Table: RouteTable {
        let routes = Mutex<[RouteSpec]>([])
        var routeTable: [RouteSpec] { routes.withLock { $0 } }
        func addRoute(_ route: RouteSpec) async throws {
            try routes.withLock { routes in
                if routes.contains(where: { $0.destination.overlaps(route.destination) }) {
                    throw FabricError(.exists, "\(route.destination) is there")
                }
                routes.append(route)
            }
        }
        func removeRoute(to destination: IPv4CIDR) async throws {
            try routes.withLock { routes in
                guard let index = routes.firstIndex(where: { $0.destination == destination }) else {
                    throw FabricError(.unknown, "no route to \(destination)")
                }
                routes.remove(at: index)
            }
        }
    }

    private func cloud(_ reserve: Reserve, routes: Table? = nil) async throws -> CloudMachines {
        var profile = LabProfile(
            name: "test", title: "", vpcCIDR: "10.0.0.0/16", subnetCIDR: "10.0.0.0/24", nodeCount: 4,
            nodePrefix: "node", kernel: "6.1", memoryMiB: 192, podCIDR: "192.168.0.0/16", podMaskSize: 24,
            securityGroups: [], nodeSecurityGroups: [], sourceDestinationCheck: true, datapathValues: [:])
        profile.laterCount = 2
        let machines = CloudMachines(try LabPlan(profile: profile), reserve, routes: routes)
        await machines.use(reserve)
        return machines
    }

    private func states(_ cloud: CloudMachines) async throws -> [String] {
        let reply = try await cloud.perform(AccountRequest(.describeInstances))
        return (reply.machines ?? []).map { "\($0.node) \($0.state.rawValue)" }
    }

    private func wait(_ cloud: CloudMachines, for wanted: [String]) async throws {
        let end = ContinuousClock.now + .seconds(10)
        while try await states(cloud) != wanted {
            guard ContinuousClock.now < end else {
                Issue.record("\(try await states(cloud)) instead of \(wanted)")
                return
            }
            await Task.yield()
        }
    }

    private func run(_ token: String) -> AccountRequest {
        AccountRequest(
            .runInstances, instanceType: "m5.large", clientToken: token,
            kubelet: KubeletUserData(labels: ["pool": "spot"]))
    }

    @Test func `machines are launched one at a time until the reserve is used up`() async throws {
        let reserve = Reserve()
        let cloud = try await cloud(reserve)
        #expect(try await states(cloud) == ["node1 running", "node2 running"])
        let first = try await cloud.perform(run("a")).machines?.first
        #expect(first?.state == .pending)
        // Asked again, it is the same machine.
        #expect(try await cloud.perform(run("a")).machines?.first?.instanceID == first?.instanceID)
        _ = try await cloud.perform(run("b"))
        let failure = await #expect(throws: CloudFailure.self) { try await cloud.perform(run("c")) }
        #expect(failure?.code == .insufficientInstanceCapacity)
        try await wait(cloud, for: ["node1 running", "node2 running", "node3 running", "node4 running"])
        #expect(reserve.state.withLock { $0.mostAtOnce } == 1)
        #expect(reserve.state.withLock { $0.given["node3"]?.labels } == ["pool": "spot"])
    }

    @Test func `a machine that has ended can be launched again, as another one`() async throws {
        let cloud = try await cloud(Reserve())
        let first = try #require(try await cloud.perform(run("a")).machines?.first)
        try await wait(cloud, for: ["node1 running", "node2 running", "node3 running"])
        let ending = try await cloud.perform(AccountRequest(.terminateInstances, instanceID: first.instanceID))
        #expect(ending.machines?.first?.state == .shuttingDown)
        try await wait(cloud, for: ["node1 running", "node2 running", "node3 terminated"])
        let second = try #require(try await cloud.perform(run("b")).machines?.first)
        #expect(second.node == "node3")
        #expect(second.instanceID != first.instanceID)
        await #expect(throws: CloudFailure.self) {
            try await cloud.perform(AccountRequest(.terminateInstances, instanceID: "i-none"))
        }
    }

    @Test func `a machine that does not come up says why`() async throws {
        let reserve = Reserve()
        reserve.state.withLock { $0.failing = ["node3"] }
        let cloud = try await cloud(reserve)
        _ = try await cloud.perform(run("a"))
        try await wait(cloud, for: ["node1 running", "node2 running", "node3 terminated"])
        let machines = try await cloud.perform(AccountRequest(.describeInstances)).machines
        #expect(machines?.last?.stateReason.contains("node3 ended while it booted") == true)
    }

    @Test func `a machine whose agent is late runs, and can be ended`() async throws {
        let reserve = Reserve()
        reserve.state.withLock { $0.late = ["node3"] }
        let cloud = try await cloud(reserve)
        let made = try #require(try await cloud.perform(run("a")).machines?.first)
        try await wait(cloud, for: ["node1 running", "node2 running", "node3 running"])
        let machines = try await cloud.perform(AccountRequest(.describeInstances)).machines
        #expect(machines?.last?.instanceID == made.instanceID)
        #expect(machines?.last?.stateReason.contains("the agent of node3 is late") == true)
        _ = try await cloud.perform(AccountRequest(.terminateInstances, instanceID: made.instanceID))
        try await wait(cloud, for: ["node1 running", "node2 running", "node3 terminated"])
        #expect(!reserve.isThere("node3"))
    }

    /// A controller that looks for a node's machine by its id must not find the one that ended before.
    @Test func `a node that leaves and joins again is another machine`() async throws {
        let reserve = Reserve()
        let cloud = try await cloud(reserve)
        reserve.state.withLock { _ = $0.present.insert("node3") }
        #expect(try await states(cloud) == ["node1 running", "node2 running", "node3 running"])
        reserve.state.withLock { _ = $0.present.remove("node3") }
        #expect(try await states(cloud) == ["node1 running", "node2 running", "node3 terminated"])
        reserve.state.withLock { _ = $0.present.insert("node3") }
        let all = try await cloud.perform(AccountRequest(.describeInstances)).machines ?? []
        #expect(all.map(\.state) == [.running, .running, .terminated, .running])
        #expect(Set(all.map(\.instanceID)).count == 4)
        // The node's metadata names the same one.
        #expect(reserve.state.withLock { $0.ids["node3"] } == all.last?.instanceID)
    }

    @Test func `routes lead to the interfaces of machines`() async throws {
        let (reserve, table) = (Reserve(), Table())
        let cloud = try await cloud(reserve, routes: table)
        let machines = try #require(try await cloud.perform(AccountRequest(.describeInstances)).machines)
        func request(_ action: AccountAction, _ destination: String, _ id: String = "") -> AccountRequest {
            AccountRequest(action, route: CloudRoute(destination: destination, instanceID: id))
        }
        func failure(_ request: AccountRequest) async -> CloudFailure.Code? {
            do { _ = try await cloud.perform(request) } catch let failure as CloudFailure { return failure.code } catch
            {}
            return nil
        }
        _ = try await cloud.perform(request(.createRoute, "192.168.2.0/24", machines[1].instanceID))
        #expect(table.routeTable.count == 1)
        let told = try await cloud.perform(AccountRequest(.describeRouteTables)).routes
        #expect(
            told == [
                CloudRoute(destination: "192.168.2.0/24", instanceID: machines[1].instanceID, state: .active)
            ])
        #expect(
            await failure(request(.createRoute, "192.168.2.0/24", machines[0].instanceID)) == .routeAlreadyExists)
        #expect(await failure(request(.createRoute, "192.168.3.0/24", "i-none")) == .invalidInstanceNotFound)
        #expect(await failure(request(.createRoute, "all", machines[0].instanceID)) == .invalidParameterValue)
        #expect(await failure(AccountRequest(.createRoute)) == .invalidParameterValue)
        #expect(await failure(request(.deleteRoute, "192.168.3.0/24")) == .invalidRouteNotFound)
        reserve.state.withLock { $0.dark = ["node2"] }
        #expect(try await cloud.perform(AccountRequest(.describeRouteTables)).routes?.first?.state == .blackhole)
        _ = try await cloud.perform(request(.deleteRoute, "192.168.2.0/24"))
        #expect(table.routeTable.isEmpty)
        for number in 0..<CloudRoute.mostRoutes {
            _ = try await cloud.perform(request(.createRoute, "172.31.\(number).0/24", machines[0].instanceID))
        }
        #expect(
            await failure(request(.createRoute, "192.168.2.0/24", machines[1].instanceID)) == .routeLimitExceeded)
    }

    @Test func `what others do to machines is seen`() async throws {
        let reserve = Reserve()
        let cloud = try await cloud(reserve)
        #expect(try await states(cloud) == ["node1 running", "node2 running"])
        reserve.state.withLock { $0.dark = ["node2"] }
        #expect(try await states(cloud) == ["node1 running", "node2 stopped"])
        reserve.state.withLock { $0.present = ["node1", "node4"] }
        #expect(try await states(cloud) == ["node1 running", "node2 terminated", "node4 running"])
    }
}
