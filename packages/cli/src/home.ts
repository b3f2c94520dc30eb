export { locateHome } from '@landropic/daemon/home';
