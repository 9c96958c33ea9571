import JSON
import Testing

@testable import Kubelet

/// How pods end, and what static pods are.
@Suite struct EndingTests {
    let identity = PodIdentity(namespace: "shop", name: "web", uid: "uid-web")
    let deleted = #""deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": "#

    func stops(_ bench: Bench) -> [Duration] {
        bench.log.compactMap { if case .stopContainer(_, let grace) = $0 { grace } else { nil } }
    }

    @Test func aPodIsDeleted() throws {
        var bench = try Bench()
        let spec = #"{"containers": [{"name": "app", "image": "curl"}, {"name": "side", "image": "curl"}]}"#
        bench.feed(.pod(try pod(spec)))
        bench.log = []
        bench.feed(.pod(try pod(spec, metadata: deleted + "30")))
        let order = bench.log.compactMap { action -> String? in
            switch action {
            case .stopContainer(let container, _): "stop \(container.name)"
            case .removeSandbox: "remove"
            case .forgetPod: "forget"
            case .deletePod: "delete"
            default: nil
            }
        }
        #expect(order == ["stop app", "stop side", "remove", "forget", "delete"])
        #expect(stops(bench) == [.seconds(30), .seconds(30)])
        #expect(
            bench.told.suffix(2) == [
                "Normal Killing: Stopping container app", "Normal Killing: Stopping container side",
            ])
        #expect(bench.status()["podIP"] == .null)
        #expect(bench.shown.last == "Running app=terminated:Error side=terminated:Error")
        #expect(bench.mind.podObjects.isEmpty)
    }

    @Test func preStopTakesItsTimeFromTheGrace() throws {
        var bench = try Bench()
        let spec = #"""
            {"containers": [{"name": "app", "image": "curl", "lifecycle": {"preStop": {"exec": {"command": ["bye"]}}}}]}
            """#
        bench.feed(.pod(try pod(spec)))
        let app = try #require(bench.container("app"))
        bench.answer = { if case .runHook = $0 { [] } else { nil } }
        bench.feed(.pod(try pod(spec, metadata: deleted + "30")))
        #expect(bench.log.contains(.runHook(app, .preStop, .exec(["bye"]), within: .seconds(30))))
        bench.run(.seconds(12))
        #expect(stops(bench).isEmpty)
        bench.feed(.hookEnded(app, .preStop, .failure("command 'bye' exited with 1")))
        #expect(stops(bench) == [.seconds(18)])
        #expect(
            bench.told.contains(
                "Warning FailedPreStopHook: Exec lifecycle hook ([bye]) for Container \"app\" in Pod "
                    + "\"web_shop(uid-web)\" failed - error: command 'bye' exited with 1"))
    }

    @Test func aHookThatNeverEndsIsOvertaken() throws {
        var bench = try Bench()
        let spec = #"""
            {"containers": [{"name": "app", "image": "curl", "lifecycle": {"preStop": {"exec": {"command": ["bye"]}}}}]}
            """#
        bench.feed(.pod(try pod(spec)))
        bench.answer = { if case .runHook = $0 { [] } else { nil } }
        bench.feed(.pod(try pod(spec, metadata: deleted + "10")))
        bench.run(.seconds(11))
        #expect(stops(bench) == [.seconds(2)] && bench.mind.podObjects.isEmpty)
    }

    @Test func aGraceMayBeShortened() throws {
        var bench = try Bench()
        let spec = #"{"containers": [{"name": "app", "image": "curl"}]}"#
        bench.feed(.pod(try pod(spec)))
        bench.answer = { if case .stopContainer = $0 { [] } else { nil } }
        bench.feed(.pod(try pod(spec, metadata: deleted + "30")))
        bench.feed(.pod(try pod(spec, metadata: deleted + "30")))
        bench.feed(.pod(try pod(spec, metadata: deleted + "1")))
        #expect(stops(bench) == [.seconds(30), .seconds(2)])
        // The object may be gone before its containers are.
        bench.feed(.podGone(identity))
        #expect(bench.mind.podObjects.count == 1)
        try bench.exit("app", 137)
        #expect(bench.mind.podObjects.isEmpty)
        #expect(!bench.log.contains(.deletePod(identity)))
    }

    @Test func aPodEndsInTheMiddleOfItsBeginning() throws {
        var bench = try Bench()
        let spec = #"{"containers": [{"name": "app", "image": "curl"}]}"#
        bench.answer = { if case .makeSandbox = $0 { [] } else { nil } }
        bench.feed(.pod(try pod(spec)))
        bench.feed(.pod(try pod(spec, metadata: deleted + "30")))
        #expect(!bench.log.contains(.deletePod(identity)), "its sandbox is still being made")
        bench.feed(.sandboxMade(identity, attempt: 0, .success(SandboxNetwork(addresses: ["10.1.0.5"]))))
        #expect(bench.log.contains(.removeSandbox(identity)) && bench.log.contains(.deletePod(identity)))
        #expect(bench.running.isEmpty)
    }

    @Test func whatCannotBeRemovedIsTriedAgain() throws {
        var bench = try Bench()
        let spec = #"{"containers": [{"name": "app", "image": "curl"}]}"#
        bench.feed(.pod(try pod(spec)))
        let identity = identity
        var left = 2
        bench.answer = { action in
            switch action {
            case .removeSandbox where left > 0:
                left -= 1
                return [.sandboxRemoved(identity, .failure("plugin failed (delete)"))]
            default: return nil
            }
        }
        bench.feed(.pod(try pod(spec, metadata: deleted + "0")))
        bench.run(.seconds(40))
        #expect(
            bench.told.contains(
                "Warning FailedKillPod: error killing pod: failed to \"KillPodSandbox\" for \"uid-web\" with "
                    + "KillPodSandboxError: \"rpc error: code = Unknown desc = plugin failed (delete)\""))
        #expect(bench.mind.podObjects.isEmpty)
    }

    @Test func statusesAreWrittenUntilTheyAreThere() throws {
        var bench = try Bench()
        var left = 3
        bench.answer = { action in
            guard case .patchStatus(let pod, _) = action, left > 0 else { return nil }
            left -= 1
            return [.statusWritten(pod, .failure("connection refused"))]
        }
        bench.feed(.pod(try pod(#"{"containers": [{"name": "app", "image": "curl"}]}"#)))
        bench.run(.seconds(10))
        #expect(bench.phase() == "Running")
        let writes = bench.log.count { if case .patchStatus = $0 { true } else { false } }
        #expect(writes == 4)
    }

    @Test func postStartHoldsTheOthersBack() throws {
        var bench = try Bench()
        bench.answer = { if case .runHook = $0 { [] } else { nil } }
        bench.feed(
            .pod(
                try pod(
                    #"""
                    {"containers": [{"name": "a", "image": "curl", "lifecycle": {"postStart": {"exec": {"command":
                    ["x"]}}}}, {"name": "b", "image": "curl"}]}
                    """#)))
        #expect(bench.shown.last == "Pending a=waiting:ContainerCreating b=waiting:ContainerCreating")
        bench.feed(.hookEnded(try #require(bench.container("a")), .postStart, .success))
        #expect(bench.shown.last == "Running a+=running b+=running")
    }

    @Test func aFailedPostStartKills() throws {
        var bench = try Bench()
        bench.answer = {
            if case .runHook(let container, let hook, _, _) = $0 {
                [.hookEnded(container, hook, .failure("command 'x' exited with 1"))]
            } else {
                nil
            }
        }
        bench.feed(
            .pod(
                try pod(
                    #"{"containers": [{"name": "a", "image": "curl", "lifecycle": {"postStart": {"exec": {"command": ["x"]}}}}]}"#
                )))
        #expect(bench.told.contains("Normal Killing: FailedPostStartHook"))
        #expect(bench.told.contains { $0.hasPrefix("Warning FailedPostStartHook: Exec lifecycle hook ([x]) for") })
    }

    /// A name of a port that no container has passes the API server.
    @Test func aHookThatCannotBeRunHasFailed() throws {
        var bench = try Bench()
        let spec = #"""
            {"containers": [{"name": "a", "image": "curl", "lifecycle": {"postStart": {"httpGet": {"port": "none",
            "path": "/hello"}}}}]}
            """#
        bench.feed(.pod(try pod(spec)))
        #expect(bench.told.contains("Normal Killing: FailedPostStartHook"))
        #expect(
            bench.told.contains {
                $0.hasPrefix("Warning FailedPostStartHook: Http lifecycle hook (/hello) for Container \"a\"")
            })
        var ending = try Bench()
        let last = spec.replacing("postStart", with: "preStop")
        ending.feed(.pod(try pod(last)))
        ending.feed(.pod(try pod(last, metadata: deleted + "30")))
        #expect(
            ending.told.contains {
                $0.hasPrefix("Warning FailedPreStopHook: Http lifecycle hook (/hello) for Container \"a\"")
            })
        #expect(stops(ending) == [.seconds(30)])
    }

    // MARK: Static pods

    func manifest(_ image: String = "curl") throws -> KubePod {
        try StaticPods.pod(
            json(
                #"{"kind": "Pod", "metadata": {"name": "proxy", "namespace": "kube-system"}, "spec": {"containers": "#
                    + #"[{"name": "p", "image": "\#(image)"}]}}"#),
            source: "/etc/kubernetes/manifests/proxy.yaml", nodeName: "node-1",
            at: KubeletTime(monotonic: .zero, unixMicroseconds: Bench.boot))
    }

    /// The object as the API server would have made it.
    func created(_ object: JSONValue, uid: String) throws -> KubePod {
        var members = try #require(object.members)
        var metadata = try #require(members["metadata"]?.members)
        metadata["uid"] = .string(uid)
        members["metadata"] = .object(metadata)
        return try KubePod(.object(members))
    }

    @Test func aStaticPodIsShownByAnother() throws {
        var bench = try Bench()
        let pod = try manifest()
        #expect(pod.identity.name == "proxy-node-1")
        bench.feed(.staticPods([pod]))
        #expect(bench.container("p") != nil)
        let object = try #require(
            bench.log.lazy.compactMap { if case .createMirrorPod(let object) = $0 { object } else { nil } }.first)
        #expect(object["metadata"]?["annotations"]?["kubernetes.io/config.mirror"]?.text == pod.identity.uid)
        #expect(object["metadata"]?["ownerReferences"]?.elements?.first?["uid"]?.text == "node-uid")
        #expect(bench.statuses.isEmpty, "there is no object to write to")
        let mirror = try created(object, uid: "mirror-1")
        bench.feed(.pod(mirror))
        #expect(bench.statuses["mirror-1"]?["phase"]?.text == "Running")
        #expect(bench.mind.podObjects.count == 1)
        // Deleting the object does nothing to the pod; another one takes its place.
        bench.feed(.podGone(mirror.identity))
        bench.run(.seconds(11))
        let creations = bench.log.count { if case .createMirrorPod = $0 { true } else { false } }
        #expect(creations == 2 && bench.container("p") != nil)
        bench.feed(.pod(try created(object, uid: "mirror-2")))
        #expect(bench.statuses["mirror-2"]?["phase"]?.text == "Running")
        // Another manifest is another pod.
        bench.feed(.staticPods([try manifest("busybox:1")]))
        #expect(
            bench.log.contains(.deletePod(PodIdentity(namespace: "kube-system", name: "proxy-node-1", uid: "mirror-2")))
        )
        bench.feed(.staticPods([]))
        #expect(bench.running.isEmpty && bench.mind.podObjects.isEmpty)
    }

    @Test func anObjectOfAStaticPodThatIsNoMoreIsDeleted() throws {
        var bench = try Bench()
        let mirror = try pod(
            #"{"containers": [{"name": "app", "image": "curl"}]}"#, name: "old",
            metadata: #""annotations": {"kubernetes.io/config.mirror": "x"}"#)
        bench.feed(.podsListed([mirror]))
        #expect(bench.log.contains(.deletePod(mirror.identity)) && bench.running.isEmpty)
    }
}
