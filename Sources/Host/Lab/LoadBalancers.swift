import CloudAPI
import LinuxKernel
import NetAddress
import Scenario
import Synchronization
import VPCServices

/// The cloud's load balancers: forwarders at one address of the VPC, a port each, and checks of their targets' health.
actor LoadBalancers {
    /// What a forwarder reads while it serves.
    private final class Balancer: Sendable {
        let state: Mutex<CloudLoadBalancer>
        init(_ balancer: CloudLoadBalancer) { state = Mutex(balancer) }

        /// The healthy targets of a listener.
        func targets(of port: UInt16) -> [ForwardTarget] {
            state.withLock { balancer in
                guard let listener = balancer.listeners.first(where: { $0.port == port }) else { return [] }
                return balancer.targets.filter { $0.isHealthy == true }.compactMap { target in
                    IPv4Address(target.address).map { ForwardTarget(address: $0, port: listener.targetPort) }
                }
            }
        }
    }

    private let address: String
    private let namespacePath: String
    private var balancers: [String: Balancer] = [:]
    private var forwarders: [String: [UInt16: TCPForwarder]] = [:]
    private var checks: Task<Void, Never>?

    private static let mostBalancers = 64
    private static let mostListeners = 16
    private static let mostTargets = 128
    /// The time between two checks of a target, and what one may take.
    private static let interval = Duration.seconds(2)
    private static let patience = Duration.seconds(1)

    init(_ plan: LabPlan, namespace path: String) throws(LabError) {
        guard let place = plan.profile.balancerPlace else {
            throw LabError(.plan, "lab \(plan.profile.name) has no address for load balancers")
        }
        address = place.address.description
        namespacePath = path
    }

    var all: [CloudLoadBalancer] {
        balancers.values.map { $0.state.withLock { $0 } }.sorted { $0.name < $1.name }
    }

    /// Makes a balancer, or changes one. Targets that it had keep their health.
    func put(_ wanted: CloudLoadBalancer) throws -> CloudLoadBalancer {
        guard !wanted.name.isEmpty, wanted.name.utf8.count <= 64, wanted.listeners.count <= Self.mostListeners,
            wanted.targets.count <= Self.mostTargets, wanted.targets.allSatisfy({ IPv4Address($0.address) != nil }),
            balancers[wanted.name] != nil || balancers.count < Self.mostBalancers
        else { throw CloudFailure(.invalidParameterValue, "the load balancer has no name, or too much of something") }
        let before = balancers[wanted.name]?.state.withLock { $0 }
        var new = wanted
        new.address = address
        for index in new.targets.indices {
            let old = before?.targets.first { $0.address == new.targets[index].address }
            new.targets[index].isHealthy = before?.listeners == new.listeners ? old?.isHealthy : nil
        }
        let balancer = balancers[wanted.name] ?? Balancer(new)
        try listen(new, balancer)
        balancer.state.withLock { $0 = new }
        balancers[wanted.name] = balancer
        if checks == nil {
            checks = Task { [weak self] in
                while !Task.isCancelled {
                    guard let self else { return }
                    await self.check()
                    try? await Task.sleep(for: Self.interval)
                }
            }
        }
        return new
    }

    private func listen(_ wanted: CloudLoadBalancer, _ balancer: Balancer) throws {
        var own = forwarders[wanted.name] ?? [:]
        let ports = Set(wanted.listeners.map(\.port))
        var made: [UInt16: TCPForwarder] = [:]
        do {
            for port in ports.sorted() where own[port] == nil {
                made[port] = try TCPForwarder(
                    "balancer \(port)", port: port, namespacePath: namespacePath
                ) { balancer.targets(of: port) }
            }
        } catch {
            for forwarder in made.values { forwarder.stop() }
            throw CloudFailure(
                .invalidParameterValue,
                "port \(ports.sorted()) of \(address) cannot be had, all load balancers share it: \(error)")
        }
        for (port, forwarder) in own where !ports.contains(port) {
            forwarder.stop()
            own[port] = nil
        }
        forwarders[wanted.name] = own.merging(made) { $1 }
    }

    func delete(_ name: String) {
        balancers[name] = nil
        for forwarder in forwarders.removeValue(forKey: name)?.values.map({ $0 }) ?? [] { forwarder.stop() }
    }

    func stop() {
        checks?.cancel()
        for name in forwarders.keys.map({ $0 }) { delete(name) }
    }

    /// Asks all targets for their health, side by side.
    private func check() async {
        for balancer in balancers.values {
            let now = balancer.state.withLock { $0 }
            guard let port = now.healthPort ?? now.listeners.first?.targetPort else { continue }
            let isHTTP = now.healthPort != nil
            let path = namespacePath
            let health = await withTaskGroup(of: (String, Bool).self) { group in
                for target in now.targets {
                    group.addTask {
                        (target.address, await Self.isHealthy(target.address, port, isHTTP: isHTTP, path))
                    }
                }
                return await group.reduce(into: [String: Bool]()) { $0[$1.0] = $1.1 }
            }
            balancer.state.withLock { state in
                for index in state.targets.indices {
                    if let known = health[state.targets[index].address] { state.targets[index].isHealthy = known }
                }
            }
        }
    }

    private static func isHealthy(_ address: String, _ port: UInt16, isHTTP: Bool, _ path: String) async -> Bool {
        guard let address = IPv4Address(address) else { return false }
        let target = ForwardTarget(address: address, port: port)
        let asked = try? await onOwnThread("health") {
            let deadline = Deadline.after(patience)
            if isHTTP { return TCPConnect.isHealthy(target, namespacePath: path, until: deadline) }
            _ = try TCPConnect.open(target, namespacePath: path, until: deadline)
            return true
        }
        return asked ?? false
    }
}
