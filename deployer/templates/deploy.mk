# Written by `deploy init`. The pipeline makes these targets, and calls `deploy` itself for the rest: make would stand between it and the
# signal of a cancelled job. Your own Makefile may `include deploy.mk`.

SERVICE := SERVICE_FOLDER

.PHONY: deploy-install deploy-lint deploy-unit deploy-build

deploy-install: ## the program `deploy`: DEPLOY_PACKAGE is whatever pip can install it from
	pip install --quiet --disable-pip-version-check "$${DEPLOY_PACKAGE:?is not set: what does pip install deploy from?}"

deploy-lint: ## format and vet
	@cd $(SERVICE) && found=$$(gofmt -l $$(go list -f '{{range .GoFiles}}{{$$.Dir}}/{{.}} {{end}}{{range .TestGoFiles}}{{$$.Dir}}/{{.}} {{end}}' ./...)) && \
		if [ -n "$$found" ]; then echo "gofmt would change:"; echo "$$found"; exit 1; fi
	cd $(SERVICE) && go vet ./...

deploy-unit: ## the service's tests
	cd $(SERVICE) && go test ./...

deploy-build: ## does it compile? The image is built once, by `deploy build`
	cd $(SERVICE) && go build -o /dev/null ./...
