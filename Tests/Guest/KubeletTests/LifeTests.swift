import JSON
import Testing

@testable import Kubelet

/// A pod's life in the words of kubelet 1.20.
@Suite struct LifeTests {
    let simple = #"{"containers": [{"name": "app", "image": "curl:8"}]}"#

    @Test func aPodComesUp() throws {
        var bench = try Bench()
        bench.feed(.podsListed([try pod(simple)]))
        #expect(
            bench.told == [
                "Normal Pulled: Container image \"curl:8\" already present on machine",
                "Normal Created: Created container app", "Normal Started: Started container app",
            ])
        #expect(bench.shown == ["Pending app=waiting:ContainerCreating", "Running app+=running"])
        #expect(bench.condition("Ready") == "True" && bench.condition("Initialized") == "True")
        #expect(bench.status()["podIP"]?.text == "10.1.0.5" && bench.status()["hostIP"]?.text == "10.0.0.11")
        #expect(bench.status()["qosClass"]?.text == "BestEffort")
        let plan = try #require(bench.running.values.first)
        #expect(plan.arguments == ["curl", "--version"] && plan.attempt == 0)
        let event = try #require(bench.events.last { $0.reason == "Started" })
        #expect(event.object["involvedObject"]?["fieldPath"]?.text == "spec.containers{app}")
        #expect(event.object["source"]?["component"]?.text == "kubelet")
    }

    /// The node lifecycle controller sets Ready to False while a node says nothing, and leaves it so.
    @Test func aStatusThatSomebodyElseChangedIsToldAgain() throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(simple)))
        func writes() -> Int { bench.log.count { if case .patchStatus = $0 { true } else { false } } }
        let before = writes()
        let changed = #"{"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}"#
        bench.feed(.pod(try pod(simple, status: changed)))
        bench.run(.seconds(9))
        #expect(writes() == before)
        bench.run(.seconds(2))
        #expect(writes() == before + 1)
        #expect(bench.condition("Ready") == "True")
        // Nothing more is told of one change, and the next one is answered as the first.
        bench.run(.seconds(60))
        #expect(writes() == before + 1)
        bench.feed(.pod(try pod(simple, status: #"{"phase": "Failed"}"#)))
        bench.run(.seconds(11))
        #expect(writes() == before + 2)
    }

    @Test func aStatusThatIsOnlyShownLateIsNotToldAgain() throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(simple)))
        let before = bench.log.count
        bench.feed(.pod(try pod(simple, status: #"{"phase": "Pending"}"#)))
        bench.run(.seconds(1))
        // Conditions of others are no concern of a kubelet's.
        let shown =
            #"{"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}, {"type": "x", "status": "y"}]}"#
        bench.feed(.pod(try pod(simple, status: shown)))
        bench.run(.seconds(60))
        #expect(bench.log.dropFirst(before).allSatisfy { if case .patchStatus = $0 { false } else { true } })
    }

    @Test func beforeItRunsItIsNotReady() throws {
        var bench = try Bench()
        bench.answer = { if case .makeSandbox = $0 { [] } else { nil } }
        bench.feed(.pod(try pod(simple)))
        #expect(bench.condition("Ready") == "False ContainersNotReady containers with unready status: [app]")
        #expect(bench.condition("PodScheduled") == "True")
    }

    @Test func aNodeWithoutNetworkSaysSo() throws {
        var bench = try Bench(isNetworkReady: false)
        bench.feed(
            .pod(try pod(simple)),
            .pod(try pod(#"{"hostNetwork": true, "containers": [{"name": "h", "image": "curl:8"}]}"#, name: "host")))
        bench.run(.seconds(20))
        let words =
            "runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin "
            + "returns error: cni plugin not initialized"
        #expect(bench.told.contains("Warning NetworkNotReady: network is not ready: \(words)"))
        #expect(bench.phase() == "Pending" && bench.phase("host") == "Running")
        #expect(bench.status("host")["podIP"]?.text == "10.0.0.11")
        let count = try #require(bench.events.last { $0.reason == "NetworkNotReady" }?.count)
        #expect((10...20).contains(count), "\(count) in 20 s")
        bench.feed(.network(problem: nil))
        #expect(bench.phase() == "Running")
    }

    @Test func aCrashLoopHasTheDelaysOfAKubelet() throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(simple)))
        var starts: [Int64] = []
        for attempt in 1...8 {
            bench.now += .seconds(1)
            let before = bench.now
            try bench.exit("app", 1)
            if attempt == 2 {
                #expect(bench.shown.last == "Running app=terminated:Error")
                bench.run(.seconds(2))
                #expect(bench.shown.last == "Running app=waiting:CrashLoopBackOff")
                let state = bench.status()["containerStatuses"]?.elements?.first
                #expect(
                    state?["state"]?["waiting"]?["message"]?.text
                        == "back-off 10s restarting failed container=app pod=web_shop(uid-web)")
                #expect(state?["lastState"]?["terminated"]?["exitCode"] == .integer(1))
                #expect(bench.told.contains("Warning BackOff: Back-off restarting failed container"))
            }
            while bench.container("app") == nil, let deadline = bench.mind.deadline {
                bench.run(max(.milliseconds(1), deadline - bench.now))
            }
            starts.append((bench.now - before).components.seconds)
        }
        #expect(starts == [0, 10, 20, 40, 80, 160, 300, 300])
        #expect(bench.running.values.first?.attempt == 8)
        #expect(bench.status()["containerStatuses"]?.elements?.first?["restartCount"] == .integer(8))
        // A run of more than ten minutes is forgiven.
        bench.run(.seconds(700))
        try bench.exit("app", 1)
        bench.run(.milliseconds(1))
        #expect(bench.container("app") != nil)
        let removed = bench.log.count { if case .removeContainer = $0 { true } else { false } }
        #expect(removed == 8)
    }

    @Test(arguments: [
        (0, false, "Completed"), (3, false, "Error"), (137, true, "OOMKilled"), (137, false, "Error"),
    ])
    func howAProgramEnds(code: Int32, isOutOfMemory: Bool, reason: String) throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(#"{"restartPolicy": "Never", "containers": [{"name": "app", "image": "curl"}]}"#)))
        try bench.exit("app", code, isOutOfMemory: isOutOfMemory, message: "last words")
        let state = bench.status()["containerStatuses"]?.elements?.first?["state"]?["terminated"]
        #expect(state?["reason"]?.text == reason && state?["message"]?.text == "last words")
        #expect(state?["exitCode"] == .integer(Int64(code)))
        #expect(bench.phase() == (code == 0 ? "Succeeded" : "Failed"))
        #expect(bench.condition("Ready").hasPrefix(code == 0 ? "False PodCompleted" : "False ContainersNotReady"))
        // What has ended for good has no network any more.
        #expect(bench.log.contains(.removeSandbox(PodIdentity(namespace: "shop", name: "web", uid: "uid-web"))))
        #expect(bench.status()["podIP"] == .null)
        bench.run(.seconds(1000))
        #expect(bench.running.isEmpty && bench.mind.podObjects.count == 1)
    }

    @Test func messagesComeFromTheLogIfAsked() throws {
        var bench = try Bench()
        bench.feed(
            .pod(
                try pod(
                    #"{"restartPolicy": "Never", "containers": [{"name": "app", "image": "curl", "#
                        + #""terminationMessagePolicy": "FallbackToLogsOnError"}]}"#)))
        try bench.exit("app", 2, log: "panic: no")
        let state = bench.status()["containerStatuses"]?.elements?.first?["state"]?["terminated"]
        #expect(state?["message"]?.text == "panic: no")
    }

    @Test func anUnmappedImageIsNotPulled() throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(#"{"containers": [{"name": "app", "image": "nginx"}]}"#)))
        #expect(bench.shown.last == "Pending app=waiting:ErrImagePull")
        bench.run(.seconds(5))
        #expect(
            bench.shown == [
                "Pending app=waiting:ContainerCreating", "Pending app=waiting:ErrImagePull",
                "Pending app=waiting:ImagePullBackOff",
            ])
        let unmapped =
            "rpc error: code = NotFound desc = failed to pull and unpack image "
            + "\"docker.io/library/nginx:latest\": no program of this lab is mapped to it; mapped are: */pause, alpine, "
            + "busybox, curl, curlimages/curl, echo, echo:2"
        #expect(
            bench.told == [
                "Normal Pulling: Pulling image \"nginx\"",
                "Warning Failed: Failed to pull image \"nginx\": \(unmapped)", "Warning Failed: Error: ErrImagePull",
                "Normal BackOff: Back-off pulling image \"nginx\"", "Warning Failed: Error: ImagePullBackOff",
            ])
        bench.run(.seconds(400))
        let pulls = bench.log.compactMap { action -> Int? in
            if case .record(let event) = action, event.reason == "Pulling" { event.count } else { nil }
        }
        // After 10, 20, 40, 80 and 160 s. The fifth comes when the pod has had all its events for a while.
        #expect(pulls == [1, 2, 3, 4, 6])
        bench.feed(.pod(try pod(#"{"containers": [{"name": "app", "image": "curl"}]}"#)))
        #expect(bench.phase() == "Running", "another image is tried at once")
    }

    @Test func anotherImageRestartsAContainer() throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(simple)))
        bench.feed(.pod(try pod(#"{"containers": [{"name": "app", "image": "busybox:1", "command": ["top"]}]}"#)))
        bench.run(.milliseconds(1))
        #expect(bench.told.contains("Normal Killing: Container app definition changed, will be restarted"))
        #expect(bench.running.values.map(\.arguments) == [["top"]] && bench.running.values.first?.attempt == 1)
    }

    @Test func anImageThatIsAlwaysPulledIsSaidToBe() throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(#"{"containers": [{"name": "app", "image": "curl"}]}"#)))
        #expect(
            bench.told.prefix(2) == [
                "Normal Pulling: Pulling image \"curl\"", "Normal Pulled: Successfully pulled image \"curl\" in 0s",
            ])
    }

    @Test(arguments: [
        (
            #""image": "nginx", "imagePullPolicy": "Never""#, "ErrImageNeverPull",
            "Container image \"nginx\" is not present with pull policy of Never"
        ),
        (
            #""image": "Nginx""#, "InvalidImageName",
            "Failed to apply default image tag \"Nginx\": couldn't parse image reference \"Nginx\": invalid reference "
                + "format: repository name must be lowercase"
        ),
        (
            #""image": "curl", "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]"#,
            "CreateContainerConfigError", "configmap \"m\" not found"
        ),
        (
            #""image": "curl", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "known", "key": "k"}}}]"#,
            "CreateContainerConfigError", "couldn't find key k in Secret shop/known"
        ),
        (
            #""image": "curl", "securityContext": {"runAsNonRoot": true}"#, "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root (pod: \"web_shop(uid-web)\", container: app)"
        ),
        (
            #""image": "curl", "securityContext": {"runAsNonRoot": true, "runAsUser": 0}"#,
            "CreateContainerConfigError",
            "container's runAsUser breaks non-root policy (pod: \"web_shop(uid-web)\", container: app)"
        ),
    ])
    func whyAContainerCannotBeMade(container: String, reason: String, message: String) throws {
        var bench = try Bench()
        bench.objects[ObjectReference(kind: .secret, namespace: "shop", name: "known")] = ObjectContent(data: [:])
        bench.feed(.pod(try pod(#"{"containers": [{"name": "app", \#(container)}]}"#)))
        let waiting = bench.status()["containerStatuses"]?.elements?.first?["state"]?["waiting"]
        #expect(waiting?["reason"]?.text == reason)
        #expect(waiting?["message"]?.text == message)
        #expect(bench.told.last == "Warning Failed: Error: " + (reason.hasPrefix("Create") ? message : reason))
        #expect(bench.phase() == "Pending" && bench.running.isEmpty)
    }

    @Test func aProgramThatIsNotThere() throws {
        var bench = try Bench()
        let words = "failed to create containerd task: exec: \"nope\": executable file not found in $PATH"
        bench.answer = {
            if case .startContainer(let plan) = $0 { [.containerStarted(plan.identity, .failure(words))] } else { nil }
        }
        bench.feed(.pod(try pod(simple)))
        #expect(bench.told.suffix(2) == ["Normal Created: Created container app", "Warning Failed: Error: \(words)"])
        bench.run(.seconds(3))
        #expect(
            bench.shown == [
                "Pending app=waiting:ContainerCreating", "Running app=waiting:RunContainerError",
                "Running app=waiting:CrashLoopBackOff",
            ])
        let last = bench.status()["containerStatuses"]?.elements?.first?["lastState"]?["terminated"]
        #expect(last?["reason"]?.text == "StartError" && last?["exitCode"] == .integer(128))
    }

    @Test func aSandboxThatFailsIsMadeAgain() throws {
        var bench = try Bench()
        bench.answer = { action in
            guard case .makeSandbox(let plan) = action, plan.attempt == 0 else { return nil }
            return [.sandboxMade(plan.pod, attempt: 0, .failure("plugin type=\"cilium-cni\" failed (add): no address"))]
        }
        bench.feed(.pod(try pod(simple)))
        let event = try #require(bench.told.first)
        #expect(
            event.hasPrefix(
                "Warning FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = failed "
                    + "to setup network for sandbox \""))
        #expect(event.hasSuffix("\": plugin type=\"cilium-cni\" failed (add): no address"))
        bench.run(.seconds(9))
        #expect(bench.phase() == "Pending")
        bench.run(.seconds(7))
        #expect(bench.phase() == "Running")
    }

    @Test func aLostSandboxIsReplaced() throws {
        var bench = try Bench()
        let identity = PodIdentity(namespace: "shop", name: "web", uid: "uid-web")
        bench.feed(
            .pod(
                try pod(
                    #"{"initContainers": [{"name": "first", "image": "curl"}], "containers": [{"name": "app", "#
                        + #""image": "curl"}]}"#)))
        try bench.exit("first", 0)
        #expect(bench.phase() == "Running")
        bench.feed(.sandboxLost(identity))
        bench.run(.milliseconds(1))
        #expect(bench.told.contains("Normal SandboxChanged: Pod sandbox changed, it will be killed and re-created."))
        #expect(bench.container("first") != nil && bench.container("app") == nil)
        try bench.exit("first", 0)
        bench.run(.seconds(20))
        #expect(bench.phase() == "Running")
        let attempts = bench.log.compactMap { if case .makeSandbox(let plan) = $0 { plan.attempt } else { nil } }
        #expect(attempts == [0, 1])
    }

    @Test func initContainersRunOneAfterTheOther() throws {
        var bench = try Bench()
        bench.feed(
            .pod(
                try pod(
                    #"{"initContainers": [{"name": "one", "image": "curl:1"}, {"name": "two", "image": "curl:1"}], "#
                        + #""containers": [{"name": "app", "image": "curl:1"}]}"#)))
        #expect(
            bench.condition("Initialized")
                == "False ContainersNotInitialized containers with incomplete status: [one two]")
        try bench.exit("one", 1)
        bench.run(.milliseconds(1))
        try bench.exit("one", 0)
        #expect(bench.condition("Initialized").hasSuffix("[two]"))
        try bench.exit("two", 0)
        #expect(bench.phase() == "Running" && bench.condition("Initialized") == "True")
        #expect(
            bench.shown == [
                "Pending one=waiting:PodInitializing two=waiting:PodInitializing app=waiting:PodInitializing",
                "Pending one=running two=waiting:PodInitializing app=waiting:PodInitializing",
                "Pending one=terminated:Error two=waiting:PodInitializing app=waiting:PodInitializing",
                "Pending one=running two=waiting:PodInitializing app=waiting:PodInitializing",
                "Pending one+=terminated:Completed two=waiting:PodInitializing app=waiting:PodInitializing",
                "Pending one+=terminated:Completed two=running app=waiting:PodInitializing",
                "Pending one+=terminated:Completed two+=terminated:Completed app=waiting:PodInitializing",
                "Running one+=terminated:Completed two+=terminated:Completed app+=running",
            ])
    }

    @Test func aFailedInitContainerEndsAPodThatIsNeverRestarted() throws {
        var bench = try Bench()
        bench.feed(
            .pod(
                try pod(
                    #"{"restartPolicy": "Never", "initContainers": [{"name": "one", "image": "curl"}], "#
                        + #""containers": [{"name": "app", "image": "curl"}]}"#)))
        try bench.exit("one", 1)
        #expect(bench.phase() == "Failed" && bench.running.isEmpty)
        #expect(bench.shown.last == "Failed one=terminated:Error app=waiting:PodInitializing")
    }

    @Test func anActiveDeadlineEndsAPod() throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(#"{"activeDeadlineSeconds": 30, "containers": [{"name": "app", "image": "curl"}]}"#)))
        bench.run(.seconds(29))
        #expect(bench.phase() == "Running")
        bench.run(.seconds(2))
        #expect(bench.phase() == "Failed" && bench.running.isEmpty)
        #expect(bench.status()["reason"]?.text == "DeadlineExceeded")
        #expect(
            bench.told.contains(
                "Normal DeadlineExceeded: Pod was active on the node longer than the specified deadline"))
    }

    /// A boot has ended everything that the API server still shows as running.
    @Test func aRebootBeginsAnew() throws {
        var bench = try Bench()
        let status = #"""
            {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "containerStatuses": [{"name": "app",
            "restartCount": 2, "containerID": "labrun://old", "state": {"running": {"startedAt": "2026-01-01T00:00:01Z"}}}]}
            """#
        bench.feed(.podsListed([try pod(simple, status: status)]))
        #expect(bench.told.first == "Normal SandboxChanged: Pod sandbox changed, it will be killed and re-created.")
        let entry = bench.status()["containerStatuses"]?.elements?.first
        #expect(entry?["restartCount"] == .integer(3))
        #expect(entry?["lastState"]?["terminated"]?["exitCode"] == .integer(255))
        #expect(bench.status()["startTime"]?.text == "2026-01-01T00:00:00Z")

        var never = try Bench()
        never.feed(
            .podsListed([
                try pod(
                    #"{"restartPolicy": "Never", "containers": [{"name": "app", "image": "curl"}]}"#, status: status)
            ]))
        #expect(never.phase() == "Failed" && never.running.isEmpty)

        var over = try Bench()
        over.feed(.podsListed([try pod(simple, status: #"{"phase": "Succeeded"}"#)]))
        #expect(over.phase() == "Succeeded" && over.running.isEmpty && over.told.isEmpty)
    }

    @Test func logsAreLookedUpInAKubeletsWords() throws {
        var bench = try Bench()
        bench.feed(.pod(try pod(#"{"containers": [{"name": "app", "image": "curl"}, {"name": "bad", "image": "x"}]}"#)))
        func problem(_ name: String?, pod: String = "web", previous: Bool = false) -> String {
            do {
                _ = try bench.mind.container(name, ofPod: pod, namespace: "shop", previous: previous)
                return "found"
            } catch { return "\(error.status) \(error.message)" }
        }
        #expect(problem("app") == "found")
        #expect(problem("bad") == "400 container \"bad\" in pod \"web\" is waiting to start: image can't be pulled")
        #expect(problem("app", previous: true) == "400 previous terminated container \"app\" in pod \"web\" not found")
        #expect(problem("none") == "404 container \"none\" not found in pod \"web\"")
        #expect(problem(nil) == "400 a container name must be specified for pod web")
        #expect(problem("app", pod: "db") == "404 pod \"db_shop\" not found")
        let first = try #require(bench.container("app"))
        try bench.exit("app", 1)
        bench.run(.milliseconds(1))
        #expect(try bench.mind.container("app", ofPod: "web", namespace: "shop", previous: true) == first)
        #expect(try bench.mind.runningContainer("app", ofPod: "web", namespace: "shop") == bench.container("app"))
        #expect(throws: ContainerLookupProblem(status: 404, message: "container not found (\"bad\")")) {
            try bench.mind.runningContainer("bad", ofPod: "web", namespace: "shop")
        }
    }
}
