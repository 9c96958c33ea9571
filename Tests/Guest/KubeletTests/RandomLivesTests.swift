import Hashing
import JSON
import Testing

@testable import Kubelet

/// Pods that come and go at random, with a runtime and an API server that answer late and fail often. What must hold
/// always is held at every action, and in the end nothing is left.
@Suite struct RandomLivesTests {
    struct Pending {
        let due: Duration
        let serial: Int
        let inputs: [KubeletInput]
    }

    /// What the runtime and the server have, by the actions so far.
    struct Outside {
        var volumes: Set<String> = []
        var sandboxes: Set<String> = []
        var running: [ContainerIdentity: ContainerPlan] = [:]
        var starting: Set<ContainerIdentity> = []
        var succeeded: [String: Set<String>] = [:]
        var writing: Set<String> = []
        var probing: Set<ProbeIdentity> = []
        var restarts: [String: Int64] = [:]
        var phases: [String: String] = [:]
        var followed: Set<ObjectReference> = []
        var objects: [String: KubePod] = [:]
        var forgotten: Set<String> = []
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func lives(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var mind = KubeletMind(settings(), images: try catalogue(), seed: seed)
        var outside = Outside()
        var pending: [Pending] = []
        var (now, serial, podSerial) = (Duration.zero, 0, 0)
        let isStormy = seed % 3 != 0
        func time() -> KubeletTime {
            KubeletTime(monotonic: now, unixMicroseconds: Bench.boot + now.components.seconds * 1_000_000)
        }
        func later(_ inputs: [KubeletInput], within: Double = 3) {
            guard !inputs.isEmpty else { return }
            serial += 1
            let delay = Duration.milliseconds(Int64(Double.random(in: 0..<within * 1000, using: &random)))
            pending.append(Pending(due: now + delay, serial: serial, inputs: inputs))
        }
        func carryOut(_ actions: [KubeletAction], calm: Bool) throws {
            for action in actions {
                try check(action, &outside)
                let fails = !calm && isStormy && Int.random(in: 0..<6, using: &random) == 0
                later(answers(action, fails: fails, now: time(), &outside), within: calm ? 0.2 : 3)
            }
        }

        var isCalm = false
        for step in 0..<1500 {
            isCalm = step >= 900
            // Something happens outside.
            switch Int.random(in: 0..<12, using: &random) {
            case 0,
                1 where !isCalm && outside.objects.count < 12:
                podSerial += 1
                let pod = try randomPod(podSerial, &random)
                outside.objects[pod.identity.uid] = pod
                try carryOut(mind.take(.pod(pod), at: time()), calm: isCalm)
            case 2,
                3 where !outside.objects.isEmpty && (step > 300 || !isCalm):
                let uid = outside.objects.keys.sorted().randomElement(using: &random) ?? ""
                if let pod = outside.objects[uid], !pod.isBeingDeleted {
                    let changed = try deleted(pod, grace: Int64.random(in: 0..<20, using: &random))
                    outside.objects[uid] = changed
                    try carryOut(mind.take(.pod(changed), at: time()), calm: isCalm)
                }
            case 4 where !outside.running.isEmpty:
                let container = outside.running.keys.sorted { $0.id < $1.id }.randomElement(using: &random)
                if let container {
                    let codes: [Int32] = [0, 0, 1, 137]
                    let code = codes[Int.random(in: 0..<4, using: &random)]
                    later([.containerEnded(container, ContainerExit(exitCode: code, isOutOfMemory: code == 137))])
                }
            case 5 where !isCalm:
                let problem = Bool.random(using: &random) ? "cni plugin not initialized" : nil
                try carryOut(mind.take(.network(problem: problem), at: time()), calm: isCalm)
            case 6 where !outside.sandboxes.isEmpty && !isCalm:
                if let uid = outside.sandboxes.sorted().randomElement(using: &random), let pod = outside.objects[uid] {
                    try carryOut(mind.take(.sandboxLost(pod.identity), at: time()), calm: isCalm)
                }
            case 7 where isCalm || step % 100 == 7:
                try carryOut(mind.take(.podsListed(Array(outside.objects.values)), at: time()), calm: isCalm)
            case 8: try carryOut(mind.take(.services([]), at: time()), calm: isCalm)
            default: break
            }
            if isCalm { try carryOut(mind.take(.network(problem: nil), at: time()), calm: isCalm) }
            // Time goes on to the next answer or deadline, or a little.
            let next = pending.map(\.due).min() ?? now + .seconds(1)
            now = max(now, min(next, mind.deadline ?? next, now + .seconds(5)))
            let due = pending.filter { $0.due <= now }.sorted { ($0.due, $0.serial) < ($1.due, $1.serial) }
            pending.removeAll { $0.due <= now }
            for input in due.flatMap(\.inputs) {
                note(input, &outside)
                try carryOut(mind.take(input, at: time()), calm: isCalm)
            }
            try carryOut(mind.advance(to: time()), calm: isCalm)
        }
        // Everything is deleted, and everything answers.
        for (uid, pod) in outside.objects.sorted(by: { $0.key < $1.key }) where !pod.isBeingDeleted {
            let changed = try deleted(pod, grace: 1)
            outside.objects[uid] = changed
            try carryOut(mind.take(.pod(changed), at: time()), calm: true)
        }
        for _ in 0..<5000 where !mind.podObjects.isEmpty || !pending.isEmpty {
            now = max(now, min(pending.map(\.due).min() ?? .seconds(1 << 30), mind.deadline ?? now))
            let due = pending.filter { $0.due <= now }.sorted { ($0.due, $0.serial) < ($1.due, $1.serial) }
            pending.removeAll { $0.due <= now }
            for input in due.flatMap(\.inputs) {
                note(input, &outside)
                try carryOut(mind.take(input, at: time()), calm: true)
            }
            try carryOut(mind.advance(to: time()), calm: true)
            if mind.podObjects.isEmpty { break }
        }
        #expect(mind.podObjects.isEmpty, "after \(now): \(mind.podObjects.prefix(1))")
        #expect(outside.objects.isEmpty && outside.running.isEmpty && outside.sandboxes.isEmpty)
        #expect(outside.followed.isEmpty && podSerial > 20, "\(outside.followed), \(podSerial) pods")
        #expect(outside.forgotten.count == podSerial)
    }

    // MARK: What must hold

    private func check(_ action: KubeletAction, _ outside: inout Outside) throws {
        switch action {
        case .makeSandbox(let plan):
            #expect(outside.volumes.contains(plan.pod.uid), "a sandbox before the volumes")
            #expect(outside.sandboxes.insert(plan.pod.uid).inserted, "two sandboxes of \(plan.pod)")
        case .removeSandbox(let pod):
            #expect(outside.sandboxes.contains(pod.uid), "no sandbox of \(pod)")
            #expect(!outside.running.keys.contains { $0.pod == pod }, "\(pod) still runs")
        case .startContainer(let plan):
            let uid = plan.identity.pod.uid
            #expect(outside.sandboxes.contains(uid), "a container without sandbox")
            #expect(!outside.running.keys.contains { $0.pod.uid == uid && $0.name == plan.identity.name }, "twice")
            #expect(!outside.running.keys.contains { $0.id == plan.identity.id })
            let initial = outside.running.values.filter { $0.identity.pod.uid == uid && $0.isInit }
            #expect(initial.isEmpty, "beside an init container")
            let last = outside.restarts[uid + plan.identity.name]
            #expect(Int64(plan.attempt) == (last ?? -1) + 1, "attempt \(plan.attempt) after \(last ?? -1)")
            outside.restarts[uid + plan.identity.name] = Int64(plan.attempt)
            outside.running[plan.identity] = plan
        case .stopContainer(let identity, let grace):
            #expect(outside.running[identity] != nil && !outside.starting.contains(identity))
            #expect(grace >= .zero)
        case .probe(let probe, _, let timeout):
            #expect(outside.running[probe.container] != nil && timeout > .zero)
            #expect(outside.probing.insert(probe).inserted, "two probes at once")
        case .patchStatus(let pod, let patch):
            #expect(outside.writing.insert(pod.uid).inserted, "two writes of \(pod)")
            let phase = patch["status"]?["phase"]?.text ?? ""
            let old = outside.phases.updateValue(phase, forKey: pod.uid)
            if old == "Succeeded" || old == "Failed" { #expect(phase == old, "\(pod) comes back") }
        case .deletePod(let pod):
            #expect(!outside.sandboxes.contains(pod.uid), "\(pod) still has a sandbox")
            #expect(outside.forgotten.contains(pod.uid))
        case .forgetPod(let pod): #expect(outside.forgotten.insert(pod.uid).inserted, "forgotten twice")
        case .follow(let reference): #expect(outside.followed.insert(reference).inserted)
        case .unfollow(let reference): #expect(outside.followed.remove(reference) != nil)
        default: break
        }
    }

    /// What an input says has happened outside.
    private func note(_ input: KubeletInput, _ outside: inout Outside) {
        switch input {
        case .containerEnded(let identity, _): outside.running[identity] = nil
        case .containerStarted(let identity, .failure): outside.running[identity] = nil
        case .containerStarted(let identity, .success): outside.starting.remove(identity)
        case .sandboxMade(let pod, _, .failure): outside.sandboxes.remove(pod.uid)
        case .sandboxRemoved(let pod, .success): outside.sandboxes.remove(pod.uid)
        case .statusWritten(let pod, _): outside.writing.remove(pod.uid)
        case .probed(let probe, _): outside.probing.remove(probe)
        case .podGone(let pod): outside.objects[pod.uid] = nil
        case .volumesMounted(let pod, .success): outside.volumes.insert(pod.uid)
        default: break
        }
    }

    private func answers(
        _ action: KubeletAction, fails: Bool, now: KubeletTime, _ outside: inout Outside
    ) -> [KubeletInput] {
        let outcome: Outcome<Empty> = fails ? .failure("no") : .success
        switch action {
        case .patchStatus(let pod, _): return [.statusWritten(pod, outcome)]
        case .deletePod(let pod):
            return fails ? [.podDeleted(pod, outcome)] : [.podDeleted(pod, outcome), .podGone(pod)]
        case .follow(let reference): return [.object(reference, fails ? nil : ObjectContent(data: ["k": [120]]))]
        case .requestToken(let request):
            let token = IssuedToken(token: "t", expires: now.unixMicroseconds + 3_600_000_000)
            return [.token(request, fails ? .failure("no") : .success(token))]
        case .registerNode, .patchNodeStatus: return [.nodeWritten(outcome)]
        case .mountVolumes(let pod, _): return [.volumesMounted(pod, outcome)]
        case .makeSandbox(let plan):
            return [
                .sandboxMade(
                    plan.pod, attempt: plan.attempt,
                    fails ? .failure("no") : .success(SandboxNetwork(addresses: ["10.1.0.5"])))
            ]
        case .removeSandbox(let pod): return [.sandboxRemoved(pod, outcome)]
        case .startContainer(let plan):
            outside.starting.insert(plan.identity)
            return [.containerStarted(plan.identity, outcome)]
        case .stopContainer(let identity, _): return [.containerEnded(identity, ContainerExit(exitCode: 143))]
        case .runHook(let identity, let hook, _, _):
            return [.hookEnded(identity, hook, fails ? .failure("no") : .success)]
        case .probe(let probe, _, _): return [.probed(probe, fails ? .failure("no") : .success)]
        default: return []
        }
    }

    // MARK: Pods

    private func randomPod(_ serial: Int, _ random: inout SplitMix64) throws -> KubePod {
        let policy = ["Always", "Always", "OnFailure", "Never"].randomElement(using: &random) ?? "Always"
        let more =
            [
                "", #""hostNetwork": true,"#, #""activeDeadlineSeconds": 20,"#,
                #""volumes": [{"name": "m", "configMap": {"name": "m"}}],"#,
                #""volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],"#,
                #""initContainers": [{"name": "one", "image": "curl:8"}, {"name": "two", "image": "curl:8"}],"#,
            ].randomElement(using: &random) ?? ""
        let container =
            [
                "", #", "livenessProbe": {"exec": {"command": ["x"]}, "periodSeconds": 2, "failureThreshold": 1}"#,
                #", "readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}"#,
                #", "lifecycle": {"preStop": {"exec": {"command": ["x"]}}, "postStart": {"exec": {"command": ["y"]}}}"#,
                #", "startupProbe": {"exec": {"command": ["x"]}, "periodSeconds": 1, "failureThreshold": 3}"#,
            ].randomElement(using: &random) ?? ""
        return try pod(
            #"""
            {"restartPolicy": "\#(policy)", \#(more) "containers": [{"name": "app", "image": "curl:8"\#(container)},
             {"name": "side", "image": "\#(serial % 9 == 0 ? "nginx" : "busybox:1")", "command": ["sh"]}]}
            """#, name: "p\(serial)")
    }

    private func deleted(_ pod: KubePod, grace: Int64) throws -> KubePod {
        var members = pod.object.members ?? [:]
        var metadata = members["metadata"]?.members ?? [:]
        metadata["deletionTimestamp"] = .string("2026-01-01T00:00:00Z")
        metadata["deletionGracePeriodSeconds"] = .integer(grace)
        members["metadata"] = .object(metadata)
        return try KubePod(.object(members))
    }
}
